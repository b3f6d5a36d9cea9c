"""Two hundred clients change the same objects through three API servers, and the store's leader and an API server are
killed meanwhile: no update is lost, and every watch sees every change once, in order.

Each object is a ConfigMap that holds a number and the mark of who wrote it last. A client reads it from one server, adds
one, writes it with the version that it read to another, and remembers what was acknowledged. A write without an answer
may have happened or not: marks tell.
"""

import collections
import http.client
import json
import random
import signal
import ssl
import threading
import time

import control_plane

CLIENTS = 200
OBJECTS = 8
CHANGES = 5  # a client
PATH = "/api/v1/namespaces/default/configmaps"
DEADLINE_SECONDS = 120


class Connection:
    """JSON over one connection to one API server, made again when it breaks."""

    def __init__(self, port, context):
        self.port = port
        self.context = context
        self.connection = None

    def ask(self, method, path, body=None):
        """Code and object; code 0: no answer came."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=20)
            self.connection.request(method, path, None if body is None else json.dumps(body),
                                    {"Content-Type": "application/json", "Accept": "application/json"})
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, {}

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Watcher(threading.Thread):
    """All changes of all objects from one server, from one version on. When the watch breaks it goes on, from the last
    version that it saw, at the next server: one that has just started knows nothing of the time before."""

    def __init__(self, ports, context, version):
        super().__init__(daemon=True)
        self.ports = ports
        self.context = context
        self.version = version
        self.events = []
        self.trouble = None
        self.stop = False

    def run(self):
        while not self.stop and self.trouble is None:
            connection = http.client.HTTPSConnection("127.0.0.1", self.ports[0], context=self.context, timeout=60)
            self.ports = self.ports[1:] + self.ports[:1]
            try:
                connection.request("GET", f"{PATH}?watch=true&allowWatchBookmarks=true&labelSelector=counter"
                                          f"&resourceVersion={self.version}")
                answer = connection.getresponse()
                if answer.status >= 500:
                    time.sleep(0.05)
                    continue
                if answer.status != 200:
                    self.trouble = f"{answer.status} {answer.read()}"
                    return
                while not self.stop:
                    line = answer.readline()
                    if not line:
                        break
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        self.trouble = line
                        return
                    self.version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self.events.append(event)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            finally:
                connection.close()


class Client(threading.Thread):
    def __init__(self, number, ports, context, deadline):
        super().__init__(daemon=True)
        self.number = number
        self.chance = random.Random(random.getrandbits(64))
        self.connections = [Connection(port, context) for port in ports]
        self.deadline = deadline
        self.acknowledged = []  # (object, mark, version)
        self.unknown = []       # (object, mark)
        self.refusals = collections.Counter()
        self.done = 0

    def run(self):
        while self.done < CHANGES and time.monotonic() < self.deadline:
            self.change(f"counter-{self.chance.randrange(OBJECTS)}")
        for connection in self.connections:
            connection.close()

    def change(self, name):
        reader, writer = self.chance.choice(self.connections), self.chance.choice(self.connections)
        code, found = reader.ask("GET", f"{PATH}/{name}")
        if code != 200:
            self.refuse(code)
            return
        mark = f"{self.number}.{self.done}.{self.chance.getrandbits(32):x}"
        found["data"] = {"number": str(int(found["data"]["number"]) + 1), "mark": mark}
        code, answer = writer.ask("PUT", f"{PATH}/{name}", found)
        if code == 200:
            self.acknowledged.append((name, mark, int(answer["metadata"]["resourceVersion"])))
            self.done += 1
        elif code == 409:
            self.refusals[409] += 1
            time.sleep(self.chance.uniform(0, 0.02))
        else:
            self.unknown.append((name, mark))
            self.refuse(code)

    def refuse(self, code):
        self.refusals[code] += 1
        time.sleep(self.chance.uniform(0.02, 0.1))


class ConsistencyTest(control_plane.TestCase):
    nodes = 0

    def setUp(self):
        certificate, key = self.plane.certificate("admin")
        self.context = ssl.create_default_context(cafile=str(self.plane.dir / "pki" / "ca.crt"))
        self.context.load_cert_chain(certificate, key)
        self.connection = Connection(self.plane.port, self.context)
        self.addCleanup(self.connection.close)

    def make_objects(self):
        for i in range(OBJECTS):
            code, answer = self.connection.ask("POST", PATH, {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"counter-{i}", "labels": {"counter": "yes"}},
                "data": {"number": "0", "mark": "first"}})
            self.assertEqual(code, 201, answer)
        listed = self.list()
        self.assertEqual(len(listed["items"]), OBJECTS)
        return listed["metadata"]["resourceVersion"]

    def list(self):
        """By the front, whose connection may have led to a server that died."""
        return self.wait_until(self.list_once, 10, "a list is answered")

    def list_once(self):
        code, listed = self.connection.ask("GET", f"{PATH}?labelSelector=counter")
        return listed if code == 200 else None

    def leader(self):
        for line in self.plane.status(check=False).stdout.splitlines():
            if line.split()[-1] == "leader":
                return line.split()[0]
        return None

    def test_no_update_is_lost_and_every_watch_sees_all_in_order(self):
        version = self.make_objects()
        ports = self.plane.server_ports
        watchers = [Watcher(ports[i:] + ports[:i], self.context, version) for i in range(len(ports))]
        for watcher in watchers:
            watcher.start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        clients = [Client(n, self.plane.server_ports, self.context, deadline) for n in range(CLIENTS)]
        for client in clients:
            client.start()

        self.wait_until(lambda: sum(c.done for c in clients) > CLIENTS * CHANGES // 4, 60, "a quarter is done")
        leader = self.wait_until(self.leader, 30, "there is a leader")
        self.plane.kill(leader, signal.SIGKILL)
        self.wait_until(lambda: sum(c.done for c in clients) > CLIENTS * CHANGES // 2, 60, "a half is done")
        self.plane.kill("apiserver-1", signal.SIGKILL)
        for client in clients:
            client.join()
        refusals = sum((c.refusals for c in clients), collections.Counter())
        print(f"killed {leader} and apiserver-1; {sum(c.done for c in clients)} changes; answers that were none: {dict(refusals)}")
        self.assertEqual([c.number for c in clients if c.done < CHANGES], [], "clients that did not come to their end")

        listed = self.list()
        last = max(int(item["metadata"]["resourceVersion"]) for item in listed["items"])
        self.wait_until(lambda: all(w.trouble or (w.events and int(w.version) >= last) for w in watchers), 30,
                        "watches see the last change")
        for watcher in watchers:
            watcher.stop = True
            self.assertIsNone(watcher.trouble)
        self.check_histories([[self.seen(e) for e in w.events] for w in watchers], clients,
                             {item["metadata"]["name"]: int(item["data"]["number"]) for item in listed["items"]})

    @staticmethod
    def seen(event):
        item = event["object"]
        return (event["type"], item["metadata"]["name"], int(item["metadata"]["resourceVersion"]),
                int(item["data"]["number"]), item["data"]["mark"])

    def check_histories(self, histories, clients, final):
        first = histories[0]
        for other in histories[1:]:
            self.assertEqual(other, first, "watches of two servers differ")
        versions = [version for _, _, version, _, _ in first]
        self.assertEqual(versions, sorted(set(versions)), "changes are seen once, in order")
        self.assertEqual({kind for kind, *_ in first}, {"MODIFIED"})
        # Each change adds one to what was before it: none went under.
        numbers = collections.defaultdict(int)
        for _, name, _, number, _ in first:
            numbers[name] += 1
            self.assertEqual(number, numbers[name], f"an update of {name} was lost")
        self.assertEqual(dict(numbers), {name: number for name, number in final.items() if number})
        # What was acknowledged is there, with that version, and nothing that nobody wrote.
        marks = {(name, mark): version for _, name, version, _, mark in first}
        self.assertEqual(len(marks), len(first), "a write happened twice")
        acknowledged = {(name, mark): version for c in clients for name, mark, version in c.acknowledged}
        unknown = {(name, mark) for c in clients for name, mark in c.unknown}
        for written, version in acknowledged.items():
            self.assertEqual(marks.get(written), version, f"{written} was acknowledged")
        self.assertEqual(set(marks) - set(acknowledged) - unknown, set(), "a refused write happened")


if __name__ == "__main__":
    control_plane.main()
