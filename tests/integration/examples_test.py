"""The programs of examples/, which show how the client library is used, do what they say."""

import re
import subprocess

import cluster
from cluster import BIN, ClusterTest, environment, run_command, wait_until


class ExamplesTest(ClusterTest):
    def example(self, name, *arguments):
        done = run_command([str(BIN / f"example_{name}"), self.cluster.endpoints(), *arguments], seconds=90)
        self.assertEqual((done.returncode, done.stderr), (0, b""), name)
        return done.stdout.decode().splitlines()

    def start(self, name, *arguments):
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", str(BIN / f"example_{name}"), self.cluster.endpoints(),
                                    *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_put_get_reads_what_is_and_what_was(self):
        self.assertEqual(self.example("put_get"), [
            "the cluster has 3 members", "now: good day", "then: hello", "example/greeting = good day", "example/other = 1", "deleted 2"])

    def test_watch_tells_changes_also_when_a_member_dies(self):
        put = self.cluster[0].client.KV.Put
        put(key=b"watched/a", value=b"0")
        watch = self.start("watch", "watched/", "3")
        self.assertEqual(watch.stdout.readline(), b"there are 1\n")
        put(key=b"watched/a", value=b"1")
        self.assertEqual(watch.stdout.readline(), b"put watched/a 1\n")
        for member in self.cluster:  # one of them has the watch
            member.kill()
            member.start()
            self.cluster.wait_ready()
        self.cluster[1].client.KV.Put(key=b"watched/b", value=b"2", timeout=10)
        self.cluster[2].client.KV.DeleteRange(key=b"watched/a", timeout=10)
        self.assertEqual(watch.communicate(timeout=30), (b"put watched/b 2\ndelete watched/a \n", b""))

    def test_lock_loses_no_count(self):
        counters = [self.start("lock", "example-lock") for _ in range(6)]
        told = [c.communicate(timeout=60) for c in counters]
        self.assertEqual([e for _, e in told if e], [])
        parsed = sorted(tuple(map(int, re.fullmatch(rb"counted to (\d+) with token (\d+)\n", out).groups())) for out, _ in told)
        self.assertEqual([number for number, _ in parsed], [1, 2, 3, 4, 5, 6])
        tokens = [token for _, token in parsed]
        self.assertEqual(tokens, sorted(set(tokens)), "each holder's token is greater than the one before")
        wait_until(lambda: self.cluster[0].client.KV.Range(key=b"example-lock/", range_end=b"example-lock0").count == 0, 10,
                   "nothing is left of the lock")

    def test_election_is_led_by_one_after_the_other(self):
        told = [c.communicate(timeout=60) for c in [self.start("election", "example-election", f"n{i}") for i in range(3)]]
        self.assertEqual([e for _, e in told if e], [])
        terms = set()
        for number, (out, _) in enumerate(told):
            leads, works, late = out.decode().splitlines()
            terms.add(re.fullmatch(rf"n{number} leads in term (\d+)", leads)[1])
            self.assertEqual(works, f"n{number}: at work")
            self.assertEqual(late, "afterwards: election: not leader")
        self.assertEqual(len(terms), 3)
        self.assertIn(self.cluster[0].client.KV.Range(key=b"example-election-last").kvs[0].value, (b"n0", b"n1", b"n2"))

    def test_bank_makes_and_loses_no_money(self):
        lines = self.example("bank")
        self.assertEqual(sum(int(line.split(" = ")[1]) for line in lines[:-1]), 500)
        self.assertRegex(lines[-1], r"^sum 500, \d+ transfers were repeated$")


if __name__ == "__main__":
    cluster.main()
