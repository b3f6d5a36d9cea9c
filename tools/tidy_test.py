"""tools/tidy finds what it is there to find, and nothing else."""

import pathlib
import subprocess
import tempfile
import unittest

TIDY = pathlib.Path(__file__).resolve().parent / "tidy"


class TidyTest(unittest.TestCase):
    def tidy(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root) / path
            file.parent.mkdir(parents=True)
            file.write_text(text)
            done = subprocess.run([TIDY, root], capture_output=True, text=True, check=False)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout.splitlines()[:-1]

    def good(self, path, text):
        self.assertEqual(self.tidy(path, text), (0, []))

    def bad(self, path, text, message, line=1):
        code, told = self.tidy(path, text)
        self.assertEqual(code, 1)
        self.assertEqual(len(told), 1, told)
        self.assertTrue(told[0].startswith(f"{path}:{line}: error: "), told)
        self.assertIn(message, told[0])

    def test_a_folder_includes_lower_ones_only(self):
        self.good("raft/a.cc", '#include "raft/a.h"\n#include "base/check.h"\n#include <vector>\n')
        self.good("server/a.cc", '#include "raft/a.h"\n#include "storage/a.h"\n#include "http/a.h"\n#include "proto/etcd/rpc.pb.h"\n')
        self.bad("raft/a.cc", '#include "base/check.h"\n#include "storage/a.h"\n', "raft/ may not include storage/", line=2)
        self.bad("base/a.h", '#include "raft/a.h"\n', "base/ may not include raft/")
        self.bad("client/a.h", '#include "server/a.h"\n', "client/ may not include server/")
        self.bad("server/a.h", '#include "client/a.h"\n', "server/ may not include client/")
        self.bad("apiserver/http/a.h", '#include "server/a.h"\n', "apiserver/ may not include server/")
        self.bad("http/a.cc", '#include "../server/a.h"\n', "not by ..")

    def test_nothing_includes_tests(self):
        self.good("tests/simulation/a.cc", '#include "tests/simulation/a.h"\n#include "server/node.h"\n#include "client/kv.h"\n')
        code, told = self.tidy("tools/a.cc", '#include "tests/a.h"\n')
        self.assertEqual(code, 1)
        self.assertIn("nothing includes tests/", "\n".join(told))

    def test_libraries_stay_in_their_folders(self):
        self.good("storage/a.cc", "#include <rocksdb/db.h>\n")
        self.good("http/a.cc", "#include <nghttp2/nghttp2.h>\n#include <openssl/ssl.h>\n#include <asio.hpp>\n")
        self.good("client/a.cc", "#include <grpcpp/channel.h>\n#include <openssl/ssl.h>\n")
        self.good("server/rpc/a_test.cc", '#include <grpcpp/channel.h>\n#include "proto/etcd/rpc.grpc.pb.h"\n')
        self.bad("server/a.cc", "#include <rocksdb/db.h>\n", "RocksDB belongs in storage/ only")
        self.bad("server/a.cc", "#include <nghttp2/nghttp2.h>\n", "nghttp2 belongs")
        self.bad("server/a.cc", "#include <grpcpp/channel.h>\n", "gRPC belongs")
        self.bad("server/a.cc", '#include "proto/etcd/rpc.grpc.pb.h"\n', "gRPC belongs")
        self.bad("tools/a.cc", "#include <openssl/ssl.h>\n", "OpenSSL belongs")

    def test_the_core_has_nothing_of_its_own(self):
        for text in ("auto t = std::chrono::seconds(1);", "std::thread t;", "absl::Mutex m;", "int x = rand();", "auto t = absl::Now();",
                     "std::unordered_map<int, int> m;", "absl::flat_hash_map<int, int> m;", "std::mt19937 g;", "#include <chrono>",
                     "std::mutex m;", "std::atomic<int> a;", "printf(x);"):
            self.bad("raft/a.cc", text + "\n", "raft/ must not use ")
            self.good("server/a.cc", text + "\n")

    def test_comments_strings_and_reasons_are_let_pass(self):
        self.good("raft/a.cc", "// std::thread\n/* absl::Now()\n std::mutex */\nauto s = \"rand()\";\n")
        self.good("raft/a.cc", "std::map<int, int> elapsed_time(int random_ticks);\nint operand(int x);\n")
        self.good("raft/a_test.cc", "#include <cstdio>\nint Main() { printf(\"seed\"); SeededRandom random(1); }\n")
        self.bad("raft/a_test.cc", "std::mutex m;\n", "raft/ must not use a lock")
        self.good("raft/a.cc", "printf(x);  // tidy-ok: the reason\n")

    def test_long_functions_and_files_are_warned_of(self):
        body = "  x();\n" * 69
        code, told = self.tidy("server/a.cc", "void Short() {\n" + body[:-7] + "}\n\nvoid A::Long(int a,\n            int b) {\n" + body + "}\n")
        self.assertEqual((code, told), (0, ["server/a.cc:72: warning: a function of 72 lines, more than 70"]))
        code, told = self.tidy("server/a.cc", "// line\n" * 1001)
        self.assertEqual(code, 0)
        self.assertEqual(len(told), 1)
        self.good("server/a.cc", "namespace x {\n" + "int a;\n" * 100 + "}\n")


if __name__ == "__main__":
    unittest.main()
