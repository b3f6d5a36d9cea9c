"""kvctl snapshot: a cluster saved and restored as a new one, and files that are refused."""

import os
import random
import unittest

import wire
import cluster
from cluster import BIN, Cluster, ClusterTest, run_command

KVCTL = str(BIN / "kvctl")
BUMP = 1_000_000_000


def kvctl(*arguments):
    return run_command([KVCTL, *map(str, arguments)], seconds=60)


class RestoredCluster(Cluster):
    """Members whose data directories are made from the file of a snapshot."""

    def __init__(self, file, *flags, size=3):
        super().__init__(size, start=False)
        self.token = "restored-" + self.folder.name
        for member in self.members:
            done = kvctl("snapshot", "restore", file, "--name", member.name, "--data-dir", member.data_dir,
                         "--initial-cluster", self.initial_cluster(), "--initial-cluster-token", self.token,
                         "--initial-advertise-peer-urls", member.peer_url, *flags)
            assert done.returncode == 0, done.stderr
        self.start()


class BackupTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.cluster[0].client
        cls.lease = client.Lease.LeaseGrant(TTL=3600).ID
        client.KV.Put(key=b"leased", value=b"v", lease=cls.lease)
        for i in range(300):
            client.KV.Put(key=b"key/%04d" % random.randrange(200), value=random.randbytes(random.randrange(2000)))
            if i % 7 == 0:
                client.KV.DeleteRange(key=b"key/%04d" % random.randrange(200))
        cls.cluster.wait_equal()
        cls.file = cls.cluster.folder / "backup.db"
        done = kvctl("--endpoints", cls.cluster[1].endpoint, "snapshot", "save", cls.file)
        assert done.returncode == 0, done.stderr
        cls.before = client.KV.Range(key=b"\0", range_end=b"\0")
        cls.revision = cls.before.header.revision

    def test_restored_cluster_has_the_same_keys_and_tells_old_watchers(self):
        with RestoredCluster(self.file) as restored:
            for member in restored:
                after = member.client.KV.Range(key=b"\0", range_end=b"\0")
                self.assertEqual(list(after.kvs), list(self.before.kvs))
                self.assertEqual(after.header.revision, self.revision + BUMP)
                self.assertNotEqual(after.header.cluster_id, self.before.header.cluster_id)
            self.assertEqual(restored.members[0].client.Lease.LeaseTimeToLive(ID=self.lease, keys=True).keys, [b"leased"])
            restored.wait_equal()
            self.assertEqual(len(set(restored.hashes())), 1)
            # Who watched the old cluster learns that it lacks something.
            watch = restored[1].new_client().Watch.Watch(iter([wire.WatchRequest(create_request=wire.WatchCreateRequest(
                key=b"key/", range_end=b"key0", start_revision=self.revision + 1))]), timeout=20)
            answers = [next(watch), next(watch)]
            self.assertTrue(answers[0].created)
            self.assertTrue(answers[1].canceled)
            self.assertEqual(answers[1].compact_revision, self.revision + BUMP)
            watch.cancel()
            # It goes on, is compacted, and finds itself again.
            put = restored[2].client.KV.Put(key=b"key/new", value=b"1")
            self.assertEqual(put.header.revision, self.revision + BUMP + 1)
            restored[0].client.KV.Compact(revision=put.header.revision, physical=True)
            for member in restored:
                member.kill()
            for member in restored:
                member.start()
            restored.wait_ready()
            self.assertEqual(restored[0].client.KV.Range(key=b"key/new").kvs[0].value, b"1")
            self.assertEqual(restored[0].client.KV.Range(key=b"\0", range_end=b"\0").count, self.before.count + 1)

    def test_revision_stays_when_asked(self):
        with RestoredCluster(self.file, "--bump-revision", "0", size=1) as restored:
            after = restored[0].client.KV.Range(key=b"\0", range_end=b"\0")
            self.assertEqual((after.header.revision, after.count), (self.revision, self.before.count))

    def test_status_says_what_is_in_the_file(self):
        done = kvctl("snapshot", "status", self.file, "-w", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b'"revision":%d,"totalKey":%d,"totalSize":%d' % (self.revision, self.before.count,
                                                                      self.file.stat().st_size), done.stdout)
        self.assertEqual([p.name for p in self.file.parent.iterdir() if "unpacked" in p.name], [])

    @unittest.skipUnless(os.path.exists(cluster.ETCDCTL), "no etcdctl here")
    def test_etcdctl_saves_what_kvctl_restores(self):
        theirs = self.cluster.folder / "etcdctl.db"
        done = run_command([cluster.ETCDCTL, "--endpoints", self.cluster[0].endpoint, "snapshot", "save", str(theirs)])
        self.assertEqual(done.returncode, 0, done.stderr)
        with RestoredCluster(theirs, size=1) as restored:
            self.assertEqual(list(restored[0].client.KV.Range(key=b"\0", range_end=b"\0").kvs), list(self.before.kvs))

    def refuse(self, content, *flags):
        """Restoring the bytes ends with one line and leaves nothing; returns the line."""
        damaged = self.cluster.folder / "damaged.db"
        damaged.write_bytes(content)
        target = self.cluster.folder / "refused"
        done = kvctl("snapshot", "restore", damaged, "--data-dir", target, *flags)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, rb"\AError: [^\n]+\n\Z")
        self.assertFalse(target.exists())
        self.assertEqual(kvctl("snapshot", "status", damaged).returncode, 1)
        return done.stderr.decode()

    def test_files_with_a_flipped_bit_are_refused(self):
        good = self.file.read_bytes()
        places = [0, 8, 12, 20, 100, len(good) - 1, len(good) - 32, len(good) - 33, len(good) - 512]
        places += [random.randrange(len(good)) for _ in range(40)]
        for at in places:
            bad = bytearray(good)
            bad[at] ^= 1 << random.randrange(8)
            with self.subTest(at=at):
                line = self.refuse(bytes(bad))
                self.assertIn("damaged.db", line)
                # Also without the sum at its end, but where only that is hit.
                if at < len(good) - 32:
                    self.refuse(bytes(bad), "--skip-hash-check")

    def test_files_that_are_none_are_refused(self):
        good = self.file.read_bytes()
        for content in [b"", b"x", good[:-1], good[:-32], good[:len(good) // 2], good[:32], good + b"\0" * 512, bytes(544)]:
            self.refuse(content)
        self.refuse(b"", "--skip-hash-check")
        self.refuse(good[:1024 + 32], "--skip-hash-check")

    def test_existing_member_is_left_alone(self):
        target = self.cluster.folder / "twice"
        self.assertEqual(kvctl("snapshot", "restore", self.file, "--data-dir", target).returncode, 0)
        log = sorted(p.name for p in (target / "member/log").iterdir())
        again = kvctl("snapshot", "restore", self.file, "--data-dir", target)
        self.assertEqual(again.returncode, 1)
        self.assertIn(b"not empty", again.stderr)
        self.assertEqual(sorted(p.name for p in (target / "member/log").iterdir()), log)

    def test_bad_command_lines(self):
        for arguments, text in [
                (["save"], "snapshot save expects one argument"),
                (["save", "a", "b"], "snapshot save expects one argument"),
                (["status"], "snapshot status requires exactly one argument"),
                (["restore"], "snapshot restore requires exactly one argument"),
                (["restore", self.file, "--name", "a", "--initial-cluster", "b=http://localhost:2380"], 'local name "a"'),
                (["restore", self.file, "--bump-revision", "-1"], "--bump-revision"),
                (["restore", self.file, "--bump-revision", "0", "--mark-compacted"], "--mark-compacted"),
                (["restore", self.file, "--bump-revision", str(2**62), "--mark-compacted"], "must not go past revision"),
                (["restore", self.file, "--bump-revision", str(2**63 - 1), "--mark-compacted"], "must not go past revision"),
                (["restore", self.file, "--mark-compacted=false"], "--mark-compacted")]:
            done = kvctl("snapshot", *arguments)
            self.assertEqual(done.returncode, 128, (arguments, done.stderr))
            self.assertIn(text, done.stderr.decode())
        many = kvctl("--endpoints", self.cluster.endpoints(), "snapshot", "save", self.cluster.folder / "x")
        self.assertIn(b"must be requested to one selected node", many.stderr)

    def test_save_that_fails_leaves_no_file(self):
        target = self.cluster.folder / "never.db"
        done = kvctl("--endpoints", "127.0.0.1:1", "--command-timeout", "1s", "snapshot", "save", target)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(target.exists())
        self.assertFalse(target.with_name("never.db.part").exists())

    def test_saving_leaves_nothing_at_the_member(self):
        def tidy():
            return not list((self.cluster[1].data_dir / "member").glob("checkpoint-*"))
        cluster.wait_until(tidy, 20, "the checkpoint of a finished save is removed")
        # Neither does a reader that goes away in the middle.
        client = self.cluster[1].new_client()
        call = client.Maintenance.Snapshot(timeout=20)
        next(iter(call))
        call.cancel()
        client.close()
        cluster.wait_until(tidy, 20, "the checkpoint of a cancelled save is removed")


if __name__ == "__main__":
    cluster.main()
