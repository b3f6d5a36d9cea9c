// TLS on one loop: a Server with a certificate of its own making, and clients that are
// SecureStreams.
#include "http/tls.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "asio/connect.hpp"
#include "asio/read.hpp"
#include "asio/write.hpp"
#include "http/http_fixture.h"
#include "http/secure_stream.h"

namespace keelson::http {
namespace {

class TlsTest : public HttpFixture {
 protected:
  TlsTest() {
    char name[] = "/tmp/keelson-tls-test.XXXXXX";
    KV_CHECK(mkdtemp(name) != nullptr);
    directory_ = name;
    credentials_ = Load(Make("server"));
  }
  ~TlsTest() override { std::filesystem::remove_all(directory_); }

  TlsOptions Make(const std::string& name, std::vector<std::string> hosts = {"127.0.0.1"}) {
    auto options = SelfSigned(directory_ + "/" + name, hosts, 1);
    KV_CHECK(options.ok()) << options.status();
    options->trusted_ca_file = options->cert_file;
    options->verify_server = true;
    return *std::move(options);
  }
  // A self-signed certificate with a common name.
  TlsOptions MakeNamed(const std::string& name,
                       const std::vector<std::string>& organizations = {}) {
    TlsOptions options;
    options.cert_file = directory_ + "/" + name + ".pem";
    options.key_file = directory_ + "/" + name + ".key";
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* const subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    for (const std::string& organization : organizations) {
      X509_NAME_add_entry_by_NID(subject, NID_organizationName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(organization.c_str()), -1,
                                 -1, 0);
    }
    X509_set_issuer_name(certificate, subject);
    KV_CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE* const cert_file = std::fopen(options.cert_file.c_str(), "w");
    FILE* const key_file = std::fopen(options.key_file.c_str(), "w");
    KV_CHECK_EQ(PEM_write_X509(cert_file, certificate), 1);
    KV_CHECK_EQ(PEM_write_PrivateKey(key_file, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
    std::fclose(cert_file);
    std::fclose(key_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return options;
  }
  std::shared_ptr<TlsCredentials> Load(const TlsOptions& options) {
    auto loaded =
        TlsCredentials::Load(options, [this](const std::string& line) { log_ += line + "\n"; });
    KV_CHECK(loaded.ok()) << loaded.status();
    return *std::move(loaded);
  }

  void StartTls() {
    server_ = std::make_unique<Server>(&loop_, &clock_, this, options_);
    const absl::Status status = server_->Listen("127.0.0.1", 0, credentials_);
    KV_CHECK(status.ok()) << status;
  }

  std::unique_ptr<SecureStream> ConnectInClear() {
    auto stream = std::make_unique<SecureStream>(loop_);
    stream->socket().connect({asio::ip::address_v4::loopback(), server_->port()});
    return stream;
  }
  // A connected client, or none; the reason is then in failure_.
  std::unique_ptr<SecureStream> ConnectTls(TlsCredentials& as, const std::string& host) {
    auto stream = ConnectInClear();
    stream->StartTls(as.Connect(stream->socket().native_handle(), host));
    std::optional<asio::error_code> result;
    stream->AsyncHandshake([&result](const asio::error_code& error) { result = error; });
    RunUntil([&result] { return result.has_value(); });
    failure_ = *result ? stream->Describe(*result) : "";
    return *result ? nullptr : std::move(stream);
  }
  void Write(SecureStream& stream, const std::string& text) {
    bool done = false;
    asio::async_write(stream, asio::buffer(text), [&done](const asio::error_code& error, size_t) {
      EXPECT_FALSE(error) << error.message();
      done = true;
    });
    RunUntil([&done] { return done; });
  }
  // All that comes until the server ends the connection.
  std::string ReadAll(SecureStream& stream) {
    std::string text;
    bool done = false;
    asio::async_read(stream, asio::dynamic_buffer(text),
                     [&done](const asio::error_code&, size_t) { done = true; });
    RunUntil([&done] { return done; });
    return text;
  }
  std::string Request(SecureStream& stream, const std::string& body) {
    Write(stream, "POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: " +
                      std::to_string(body.size()) + "\r\n\r\n" + body);
    return ReadAll(stream);
  }

  std::string directory_;
  std::shared_ptr<TlsCredentials> credentials_;
  std::string log_;
  std::string failure_;
};

TEST_F(TlsTest, RequestIsAnswered) {
  StartTls();
  const auto client = ConnectTls(*credentials_, "127.0.0.1");
  ASSERT_NE(client, nullptr) << failure_;
  EXPECT_THAT(Request(*client, "hello"), testing::EndsWith("POST /x hello"));
}

TEST_F(TlsTest, StreamTellsTheNameOfAClientThatHadToProveIt) {
  const TlsOptions alice = MakeNamed("alice");
  for (const bool required : {true, false}) {
    TlsOptions options = Make("server");
    options.trusted_ca_file = alice.cert_file;
    options.require_client_cert = required;
    credentials_ = Load(options);
    StartTls();
    TlsOptions as_alice = alice;
    as_alice.trusted_ca_file = options.cert_file;
    const auto client = ConnectTls(*Load(as_alice), "127.0.0.1");
    ASSERT_NE(client, nullptr) << failure_;
    on_request_ = [required](Exchange* exchange) {
      EXPECT_EQ(exchange->stream->peer_certificate().common_name, required ? "alice" : "");
    };
    EXPECT_THAT(Request(*client, "hello"), testing::EndsWith("POST /x hello"));
  }
  EXPECT_EQ(exchanges_.size(), 2u);
}

TEST_F(TlsTest, StreamTellsWhatAClientThatWasOnlyAskedProved) {
  const TlsOptions alice = MakeNamed("alice", {"builders", "Caf\u00e9"});
  const TlsOptions stranger = MakeNamed("stranger", {"system:masters"});
  TlsOptions options = Make("server");
  options.trusted_ca_file = alice.cert_file;
  options.ask_client_cert = true;
  credentials_ = Load(options);
  StartTls();
  TlsOptions nobody;
  struct Case {
    TlsOptions client;
    std::string name;
    std::vector<std::string> organizations;
    std::string refused;
  };
  for (Case& wanted : std::vector<Case>{{alice, "alice", {"builders", "Caf\u00e9"}, ""},
                                        {nobody, "", {}, ""},
                                        {stranger, "", {}, "self-signed certificate"}}) {
    wanted.client.trusted_ca_file = options.cert_file;
    const auto client = ConnectTls(*Load(wanted.client), "127.0.0.1");
    ASSERT_NE(client, nullptr) << failure_;
    on_request_ = [&wanted](Exchange* exchange) {
      const PeerCertificate& seen = exchange->stream->peer_certificate();
      EXPECT_EQ(seen.common_name, wanted.name);
      EXPECT_EQ(seen.organizations, wanted.organizations);
      EXPECT_EQ(seen.refused, wanted.refused);
      EXPECT_EQ(seen.sha256.size(), wanted.name.empty() ? 0u : 64u);
    };
    EXPECT_THAT(Request(*client, "hello"), testing::EndsWith("POST /x hello"));
  }
  EXPECT_EQ(exchanges_.size(), 3u);
}

TEST_F(TlsTest, BodiesOfManyRecordsPassBothWaysUnchanged) {
  StartTls();
  const auto client = ConnectTls(*credentials_, "127.0.0.1");
  ASSERT_NE(client, nullptr) << failure_;
  // More than sockets buffer, so that both sides wait in the middle of records.
  std::string body(20'000'000, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761u >> 13);
  EXPECT_TRUE(Request(*client, body).ends_with("POST /x " + body));
}

TEST_F(TlsTest, RecordsOfOneByteAreNoTrouble) {
  StartTls();
  const auto client = ConnectTls(*credentials_, "127.0.0.1");
  ASSERT_NE(client, nullptr) << failure_;
  Write(*client,
        "POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3000\r\n\r\n");
  for (int i = 0; i < 3000; ++i) Write(*client, "a");
  EXPECT_THAT(ReadAll(*client), testing::EndsWith(std::string(3000, 'a')));
}

TEST_F(TlsTest, HandshakeThatDoesNotComeIsEndedAfterItsTime) {
  StartTls();
  const auto idle = ConnectInClear();
  RunUntil([this] { return server_->connection_count() == 1; });
  const auto client = ConnectTls(*credentials_, "127.0.0.1");  // others do not wait for it
  ASSERT_NE(client, nullptr) << failure_;
  EXPECT_THAT(Request(*client, "hello"), testing::EndsWith("hello"));
  clock_.Advance(options_.header_timeout + absl::Seconds(1));
  EXPECT_EQ(ReadAll(*idle), "");
  RunUntil([this] { return server_->connection_count() == 0; });
}

TEST_F(TlsTest, ClearTextOnATlsPortIsEndedAndTold) {
  StartTls();
  const auto client = ConnectInClear();
  Write(*client, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  ReadAll(*client);
  EXPECT_THAT(log_, testing::HasSubstr("rejected connection from 127.0.0.1"));
  EXPECT_THAT(log_, testing::HasSubstr("http request"));
  EXPECT_TRUE(exchanges_.empty());
}

TEST_F(TlsTest, TlsOnAPortOfClearTextIsEnded) {
  Start();
  EXPECT_EQ(ConnectTls(*credentials_, "127.0.0.1"), nullptr);
  EXPECT_THAT(failure_, testing::HasSubstr("wrong version number"));
  EXPECT_TRUE(exchanges_.empty());
}

TEST_F(TlsTest, WhoIsNotBelievedHearsWhy) {
  StartTls();
  const auto stranger = Load(Make("stranger"));
  EXPECT_EQ(ConnectTls(*stranger, "127.0.0.1"), nullptr);
  EXPECT_THAT(failure_, testing::HasSubstr("bad certificate: self-signed certificate"));
  EXPECT_EQ(ConnectTls(*credentials_, "other.example"), nullptr);
  EXPECT_THAT(failure_, testing::HasSubstr("hostname mismatch"));
  EXPECT_EQ(ConnectTls(*credentials_, "127.0.0.2"), nullptr);
  EXPECT_THAT(failure_, testing::HasSubstr("IP address mismatch"));
  for (const std::string& none : {std::string(), std::string("a\0b", 3)}) {
    EXPECT_EQ(ConnectTls(*credentials_, none), nullptr);
    EXPECT_THAT(failure_, testing::HasSubstr("there is no host"));
  }
}

TEST_F(TlsTest, ReplacedFilesCountFromTheNextHandshakeOn) {
  StartTls();
  const TlsOptions next = Make("next");
  const auto former = Load(Make("server"));
  const auto newer = Load(next);
  EXPECT_EQ(ConnectTls(*newer, "127.0.0.1"), nullptr);
  std::filesystem::rename(next.cert_file, directory_ + "/server/cert.pem");
  // The key is still the former one: nothing changes for anybody but in the log.
  EXPECT_EQ(ConnectTls(*newer, "127.0.0.1"), nullptr);
  EXPECT_THAT(log_, testing::HasSubstr("key values mismatch"));
  std::filesystem::rename(next.key_file, directory_ + "/server/key.pem");
  const auto client = ConnectTls(*credentials_, "127.0.0.1");
  ASSERT_NE(client, nullptr) << failure_;
  EXPECT_THAT(Request(*client, "hello"), testing::EndsWith("hello"));
  EXPECT_THAT(log_, testing::HasSubstr("read the TLS certificates again"));
}

TEST_F(TlsTest, StreamMovesToAnotherLoopWithWhatItHasRead) {
  StartTls();  // keeps the loop going
  asio::ip::tcp::acceptor acceptor(loop_, {asio::ip::address_v4::loopback(), 0});
  SecureStream client(loop_), accepted(loop_);
  client.socket().connect(acceptor.local_endpoint());
  acceptor.accept(accepted.socket());
  client.StartTls(credentials_->Connect(client.socket().native_handle(), "127.0.0.1"));
  accepted.StartTls(credentials_->Accept(accepted.socket().native_handle()));
  int done = 0;
  const auto count = [&done](const asio::error_code& error, size_t) {
    EXPECT_FALSE(error) << error.message();
    ++done;
  };
  client.AsyncHandshake([&count](const asio::error_code& error) { count(error, 0); });
  accepted.AsyncHandshake([&count](const asio::error_code& error) { count(error, 0); });
  RunUntil([&done] { return done == 2; });
  // One record: its first byte is read here, which takes the others from the socket too.
  const std::string sent = "0123456789";
  std::string received(sent.size(), '\0');
  asio::async_write(client, asio::buffer(sent), count);
  asio::async_read(accepted, asio::buffer(received.data(), 1), count);
  RunUntil([&done] { return done == 4; });
  auto detached = accepted.Detach();
  ASSERT_TRUE(detached.has_value());
  asio::io_context other_loop(1);
  SecureStream moved(other_loop);
  ASSERT_FALSE(moved.Attach(*std::move(detached)));
  asio::async_read(moved, asio::buffer(received.data() + 1, sent.size() - 1), count);
  while (done < 5) other_loop.run_one();
  EXPECT_EQ(received, sent);
}

TEST_F(TlsTest, SelfSignedCertificateIsMadeOnce) {
  const TlsOptions first = Make("again");
  const auto written = std::filesystem::last_write_time(first.cert_file);
  EXPECT_EQ(Make("again").cert_file, first.cert_file);
  EXPECT_EQ(std::filesystem::last_write_time(first.cert_file), written);
  std::ofstream(first.cert_file) << "damaged";
  Load(Make("again"));
  EXPECT_GT(std::filesystem::file_size(first.cert_file), 100u);
}

}  // namespace
}  // namespace keelson::http
