"""The comparison of states at the start: a member with other data than the others does not come up, and nobody else minds."""

import shutil
import unittest

import cluster
from cluster import Cluster, wait_until

GATE = "--feature-gates=InitialCorruptCheck=true"
OLD_NAME = "--experimental-initial-corrupt-check"


class CorruptCheckTest(unittest.TestCase):
    def with_cluster(self, flags, test):
        members = Cluster(3, flags)
        try:
            test(members)
        except BaseException:
            members.show_logs()
            members.close(keep=True)
            raise
        members.close()

    def put(self, members, value):
        members[0].client.KV.Put(key=b"k", value=value, timeout=10)
        members.wait_equal()

    def end(self, member):
        """In good order, so that its state is on disk."""
        member.reconnect()  # nobody whom it would wait for
        self.assertEqual(member.terminate(), 0)

    def restart_all(self, members):
        for member in members:
            self.end(member)
        for member in members:
            member.start()
        members.wait_ready()

    def test_members_that_agree_come_up_one_by_one_and_all_at_once(self):
        for flag in (GATE, OLD_NAME, OLD_NAME + "=true"):
            with self.subTest(flag=flag):
                def test(members):
                    self.put(members, b"1")
                    for member in members:
                        self.end(member)
                        member.start()
                        member.wait_ready()
                        self.assertIn("state agrees", member.log.read_text())
                    self.restart_all(members)
                    self.put(members, b"2")
                self.with_cluster((flag,), test)

    def test_a_member_with_other_data_does_not_come_up(self):
        def test(members):
            bad = members[2]
            # The same cluster twice, with another value each time.
            self.put(members, b"one")
            for member in members:
                self.end(member)
            other_data = bad.data_dir.with_name("other")
            bad.data_dir.rename(other_data)
            for member in members:
                shutil.rmtree(member.data_dir, ignore_errors=True)
                member.start()
            members.wait_ready()
            self.put(members, b"two")
            bad.kill()
            shutil.rmtree(bad.data_dir)
            other_data.rename(bad.data_dir)
            bad.start()
            wait_until(lambda: not bad.running(), 20, "the member with other data stops")
            self.assertEqual(bad.process.wait(), 1)
            self.assertIn("the other members had another state", bad.log.read_text())
            for member in members.members[:2]:
                member.client.KV.Put(key=b"k", value=b"three", timeout=10)
                self.assertEqual(len(member.client.Maintenance.Alarm(action=0).alarms), 0)
        self.with_cluster((GATE,), test)


if __name__ == "__main__":
    cluster.main()
