"""A member that was away for longer than the raft log reaches comes back by a snapshot, also when one of the two is killed in the
middle of it."""

import re
import unittest

import wire
import cluster
from cluster import Cluster, wait_until

# The log is cut in whole files of 64 MiB, as soon as the state has what is in them.
FLAGS = ("--snapshot-count=20", "--snapshot-catchup-entries=3")
VALUE = bytes(range(256)) * 4096  # 1 MiB
SLOW = 8 << 20  # bytes a second, so that a transfer can be caught in the middle


def fill(member, first, count):
    for i in range(first, first + count):
        member.client.KV.Put(key=b"big/%06d" % i, value=VALUE + b"%d" % i, timeout=20)


def log_first(member):
    """The lowest segment of the member's raft log."""
    return min((p.name for p in (member.data_dir / "member/log").glob("*.seg")), default="")


def log_text(member):
    return member.log.read_text(errors="replace")


class SnapshotTest(unittest.TestCase):
    def with_cluster(self, flags, test):
        members = Cluster(3, (*FLAGS, *flags))
        try:
            test(members)
        except BaseException:
            members.show_logs()
            members.close(keep=True)
            raise
        members.close()

    def leave_behind(self, members):
        """Stops a follower and writes until the others' logs no longer hold what it lacks. Returns it and the leader."""
        leader = members.leader()
        away = next(m for m in members if m is not leader)
        leader.client.KV.Put(key=b"small", value=b"before", timeout=10)
        fill(leader, 0, 3)
        members.wait_equal()
        away.kill()
        begins = log_first(leader)
        written = 3
        while log_first(leader) == begins:
            self.assertLess(written, 600, "the raft log is never cut")
            fill(leader, written, 10)
            written += 10
        leader.client.KV.Put(key=b"small", value=b"after", timeout=10)
        return away, leader, written

    def check_equal(self, members, written):
        members.wait_ready()
        members.wait_equal()
        self.assertEqual(len(set(members.hashes())), 1, "the members' states differ")
        for member in members:
            answer = member.client.KV.Range(key=b"big/", range_end=b"big0", count_only=True, serializable=True, timeout=10)
            self.assertEqual(answer.count, written)
            self.assertEqual(member.client.KV.Range(key=b"small", serializable=True, timeout=10).kvs[0].value, b"after")
        # Nothing is left of the transfer on either side, and the former state is gone.
        def tidy():
            states = {m.name: sorted(p.name for p in (m.data_dir / "member").iterdir() if re.match("store-|checkpoint-|store$", p.name))
                      for m in members}
            return all(len(names) == 1 for names in states.values())
        wait_until(tidy, 60, "leftovers are removed")

    def test_member_that_was_away_comes_back_by_a_snapshot(self):
        def test(members):
            away, leader, written = self.leave_behind(members)
            away.start()
            self.check_equal(members, written)
            self.assertIn("receiving a snapshot", log_text(away))
            # It is a member like the others, and finds itself again after a restart.
            away.client.KV.Put(key=b"small", value=b"after", timeout=10)
            away.kill()
            away.start()
            self.check_equal(members, written)
            self.assertIn("store-", " ".join(p.name for p in (away.data_dir / "member").iterdir()))
        self.with_cluster((), test)

    def test_receiver_killed_in_the_middle_starts_again(self):
        def test(members):
            away, leader, written = self.leave_behind(members)
            for _ in range(3):
                away.start()
                incoming = self.wait_incoming(away)
                away.kill()
                # What the kill left is gone when it is up again, before anything new arrives or with another name.
                self.assertTrue(incoming.exists())
            away.start()
            self.check_equal(members, written)
        self.with_cluster((f"--snapshot-bytes-per-second={SLOW}",), test)

    def test_sender_killed_in_the_middle_is_followed_by_another(self):
        def test(members):
            away, leader, written = self.leave_behind(members)
            away.start()
            self.wait_incoming(away)
            leader.kill()
            # The third member and the one that is behind elect the third, which has a snapshot of its own to send.
            leader.start()
            self.check_equal(members, written)
        self.with_cluster((f"--snapshot-bytes-per-second={SLOW}",), test)

    def wait_incoming(self, member):
        """Until some of a snapshot has arrived; returns its directory."""
        def found():
            current = member.data_dir / "member/store.current"
            for path in (member.data_dir / "member").glob("store-*"):
                if not current.exists() and any(p.suffix == ".sst" for p in path.iterdir()):
                    return path
            return None
        return wait_until(found, 60, f"a snapshot begins to arrive at {member.name}", interval=0.005)

    def test_watcher_on_a_member_that_installs_a_snapshot_misses_nothing(self):
        def test(members):
            leader = members.leader()
            away = next(m for m in members if m is not leader)
            members.wait_equal()
            revision = leader.status().header.revision
            client = away.new_client()
            watch = client.Watch.Watch(iter([wire.WatchRequest(create_request=wire.WatchCreateRequest(
                key=b"small", start_revision=revision + 1))]), timeout=120)
            self.assertTrue(next(watch).created)
            away.pause()
            begins = log_first(leader)
            written, changes = 0, 0
            while log_first(leader) == begins:
                self.assertLess(written, 600, "the raft log is never cut")
                fill(leader, written, 10)
                leader.client.KV.Put(key=b"small", value=b"%d" % changes, timeout=10)
                written, changes = written + 10, changes + 1
            leader.client.KV.Put(key=b"small", value=b"after", timeout=10)
            away.resume()
            events = []
            while not events or events[-1].kv.value != b"after":
                events.extend(next(watch).events)
            watch.cancel()
            client.close()
            self.assertEqual([e.kv.value for e in events], [b"%d" % i for i in range(changes)] + [b"after"])
            self.assertIn("receiving a snapshot", log_text(away))
            self.check_equal(members, written)
        self.with_cluster((), test)


if __name__ == "__main__":
    cluster.main()
