"""Disks that are full: nothing that was acknowledged is lost, reads go on, and so does everything when there is room.

The members' directories lie on small file systems in memory, which only root can make; without them nothing is tested.
"""

import contextlib
import os
import subprocess
import sys
import threading
import unittest

import cluster
import wire
from cluster import Cluster, wait_until
import grpc

Code = grpc.StatusCode
NO_SPACE = "etcdserver: mvcc: database space exceeded"
DISK_BYTES = 640 << 20


class SmallDisk:
    """A file system of DISK_BYTES under a member's directory."""

    def __init__(self, member):
        self.member = member
        self.path = member.data_dir.parent
        self.path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "keelson-test", str(self.path)], check=True)
        self.filler = self.path / "filler"
        self.taker = None
        # The log of the process lies elsewhere: it must not be what fails.
        member.log = member.cluster.folder / (member.name + ".log")

    def fill(self, leave=0):
        """Takes all room but `leave` bytes, and what comes free until make_room(): a segment of the log that is being made is
        given up, and what it took is there again some time after its name has gone."""
        full = threading.Event()
        self.freed = threading.Event()

        def take_all():
            with open(self.filler, "ab") as file:
                while not self.freed.wait(0.005):
                    disk = os.statvfs(self.path)
                    count = min(disk.f_bavail * disk.f_frsize - leave, 8 << 20)
                    if count <= 0:
                        full.set()
                        continue
                    with contextlib.suppress(OSError):  # the member writes, too
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, count)
        self.taker = threading.Thread(target=take_all)
        self.taker.start()
        if not full.wait(60):
            raise AssertionError("the disk does not get full")

    def make_room(self):
        self.freed.set()
        self.taker.join()
        self.filler.unlink(missing_ok=True)

    def close(self):
        if self.taker:
            self.make_room()
        subprocess.run(["umount", "-l", str(self.path)], check=False)


def can_mount():
    done = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return os.geteuid() == 0 and done.returncode == 0


class FullDiskTest(unittest.TestCase):
    size = 1

    def start(self, size, small, flags=()):
        self.cluster = Cluster(size, flags, start=False)
        self.stack.callback(self.cluster.close)
        self.disks = [SmallDisk(self.cluster[i]) for i in small]
        for disk in self.disks:
            self.stack.callback(disk.close)
        self.cluster.start()
        self.acknowledged = {}

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        self.disks = []
        with contextlib.ExitStack() as self.stack:
            super().run(result)
            if self.disks and len(result.failures) + len(result.errors) > before:
                self.cluster.show_logs()

    def put(self, member, key, size=1000, timeout=10):
        value = os.urandom(size)
        member.client.KV.Put(key=key, value=value, timeout=timeout)
        self.acknowledged[key] = value

    def no_space(self, member):
        """Whether a put is refused for want of space; any other failure is none of these tests' matters."""
        try:
            self.put(member, b"probe")
            return False
        except grpc.RpcError as error:
            self.assertEqual((error.code(), error.details()), (Code.RESOURCE_EXHAUSTED, NO_SPACE))
            return True

    def takes_writes(self, member):
        try:
            self.put(member, b"probe", timeout=2)
            return True
        except grpc.RpcError:
            member.reconnect()
            return False

    def check_all(self, member):
        for key, value in self.acknowledged.items():
            self.assertEqual(member.client.KV.Range(key=key).kvs[0].value, value, key)

    def test_one_member_refuses_reads_on_and_recovers_by_itself(self):
        self.start(1, [0])
        member, disk = self.cluster[0], self.disks[0]
        for i in range(40):
            self.put(member, b"before/%d" % i, 100000)
        for turn in range(2):
            disk.fill()
            wait_until(lambda: self.no_space(member), 10, "it refuses writes")
            self.check_all(member)
            self.assertTrue(any("no space left" in e for e in member.status().errors), member.status().errors)
            self.assertEqual(len(member.client.Maintenance.Alarm(action=0).alarms), 0, "its own trouble, not the cluster's")
            # What needs no room of the store is taken while the log has some left.
            self.assertEqual(member.client.KV.DeleteRange(key=b"before/%d" % turn).deleted, 1)
            del self.acknowledged[b"before/%d" % turn]
            self.assertTrue(member.running())
            disk.make_room()
            wait_until(lambda: self.takes_writes(member), 15, "it takes writes again")
            for i in range(40):
                self.put(member, b"after/%d/%d" % (turn, i), 100000)
        self.check_all(member)
        member.kill()
        member.start()
        member.wait_ready()
        self.check_all(member)

    def test_the_store_cannot_write_its_files_and_goes_on_when_it_can(self):
        self.start(1, [0])
        member, disk = self.cluster[0], self.disks[0]
        for i in range(100):
            self.put(member, b"before/%d" % i, 100000)
        disk.fill()
        wait_until(lambda: self.no_space(member), 10, "it refuses writes")
        # A change that needs no room, so that there is something in memory that Defragment has to write out.
        self.assertEqual(member.client.KV.DeleteRange(key=b"before/0").deleted, 1)
        del self.acknowledged[b"before/0"]
        with self.assertRaises(grpc.RpcError):
            member.client.Maintenance.Defragment(timeout=20)
        self.check_all(member)
        disk.make_room()
        wait_until(lambda: self.takes_writes(member), 20, "it takes writes again")
        member.client.Maintenance.Defragment(timeout=20)
        self.check_all(member)
        member.kill()
        member.start()
        member.wait_ready()
        self.check_all(member)

    def test_a_member_killed_on_a_full_disk_comes_back_with_everything(self):
        self.start(1, [0])
        member, disk = self.cluster[0], self.disks[0]
        for i in range(40):
            self.put(member, b"before/%d" % i, 100000)
        disk.fill(leave=1 << 20)
        wait_until(lambda: self.no_space(member), 10, "it refuses writes")
        member.kill()
        member.start()
        member.wait_ready()
        self.check_all(member)
        self.assertTrue(wait_until(lambda: self.no_space(member), 10, "it refuses writes"))
        disk.make_room()
        wait_until(lambda: self.takes_writes(member), 15, "it takes writes again")

    def test_a_disk_that_fills_under_writes_stops_them_in_time(self):
        """No filler: the writes themselves fill it, and the member still has room for what it must write."""
        self.start(1, [0])
        member, disk = self.cluster[0], self.disks[0]
        disk.fill(leave=300 << 20)
        refused = False
        for i in range(1000):
            try:
                self.put(member, b"fill/%d" % i, 1 << 20)
            except grpc.RpcError as error:
                self.assertEqual((error.code(), error.details()), (Code.RESOURCE_EXHAUSTED, NO_SPACE))
                refused = True
                break
        self.assertTrue(refused)
        self.check_all(member)
        self.assertTrue(member.running())
        member.client.KV.DeleteRange(key=b"fill/", range_end=b"fill0")
        disk.make_room()
        wait_until(lambda: self.takes_writes(member), 15, "it takes writes again")

    def test_with_one_full_disk_of_three_the_others_serve_on(self):
        self.start(3, [0])
        full, disk = self.cluster[0], self.disks[0]
        for i in range(10):
            self.put(full, b"before/%d" % i, 100000)
        disk.fill()
        wait_until(lambda: self.no_space(full), 10, "it refuses writes")
        for i in range(300):  # more than the full member's log has room for
            self.put(self.cluster[1], b"during/%d" % i, 1 << 20, timeout=20)
        self.check_all(self.cluster[2])
        self.assertTrue(full.running())
        disk.make_room()
        # The file system is small and the log is kept; room for all of it there is not, but for going on.
        wait_until(lambda: self.takes_writes(self.cluster[1]), 10, "the others take writes")
        wait_until(lambda: full.status().raftAppliedIndex >= self.cluster[1].status().raftAppliedIndex - 5, 60,
                   "the member catches up")
        self.check_all(full)

    def test_a_member_that_needs_a_snapshot_waits_for_room(self):
        self.start(3, [0], ("--snapshot-count=20", "--snapshot-catchup-entries=3"))
        away, disk, other = self.cluster[0], self.disks[0], self.cluster[1]
        self.put(away, b"before")
        self.cluster.wait_equal()
        away.kill()
        log = other.data_dir / "member/log"
        first = min(log.glob("*.seg"))
        for i in range(600):
            if min(log.glob("*.seg")) != first:
                break
            self.put(other, b"during/%d" % i, 1 << 20, timeout=20)
        self.assertNotEqual(min(log.glob("*.seg")), first, "the raft log is never cut")
        disk.fill(leave=1 << 20)
        away.start()
        wait_until(lambda: "no room for a snapshot" in away.log.read_text(), 30, "it says that there is no room")
        self.put(other, b"meanwhile")
        self.assertTrue(away.running())
        disk.make_room()
        away.wait_ready()
        self.cluster.wait_equal(60)
        self.check_all(away)


if __name__ == "__main__":
    if not can_mount():
        print("skipped: this needs root and a file system of its own")
        sys.exit(77)
    cluster.main()
