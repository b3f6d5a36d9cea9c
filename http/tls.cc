#include "http/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "http/tls_files.h"

namespace keelson::http {
namespace {

// The largest record of TLS, so that one call of the system carries as much as it can.
constexpr size_t kRecordBytes = 16 * 1024;
constexpr size_t kDrainBytesMax = 256 * 1024;

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL, and a client that went away would end us.
int HandleOf(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int WriteToSocket(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(HandleOf(bio), from, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int ReadFromSocket(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::recv(HandleOf(bio), to, static_cast<size_t>(size), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

long ControlSocket(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    KV_CHECK(m != nullptr);
    BIO_meth_set_write(m, WriteToSocket);
    BIO_meth_set_read(m, ReadFromSocket);
    BIO_meth_set_ctrl(m, ControlSocket);
    return m;
  }();
  return method;
}

// Whose certificate a client demands. False: `host` is none; OpenSSL would take an empty one for
// leave to believe everybody.
bool ExpectHost(SSL* ssl, const std::string& host) {
  if (host.empty() || host.find('\0') != std::string::npos) return false;
  X509_VERIFY_PARAM* const param = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1) return true;
  ERR_clear_error();
  SSL_set_tlsext_host_name(ssl, host.c_str());
  X509_VERIFY_PARAM_set_hostflags(
      param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(param, host.data(), host.size()) == 1;
}

const char* DescribeVerdict(long verdict) {
  return verdict == X509_V_ERR_APPLICATION_VERIFICATION ? "its name is not allowed"
                                                        : X509_verify_cert_error_string(verdict);
}

}  // namespace

// ---------------------------------------------------------------------------------------- channel

TlsChannel::TlsChannel(std::shared_ptr<const TlsFiles> files, Role role, int handle,
                       const std::string& host)
    : files_(std::move(files)),
      handle_(handle),
      ssl_(SSL_new(role == Role::kServer ? files_->server() : files_->client())) {
  KV_CHECK(ssl_ != nullptr) << "out of memory";
  BIO* const bio = BIO_new(SocketMethod());
  KV_CHECK(bio != nullptr) << "out of memory";
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(handle)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  if (role == Role::kServer) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
    if (!ExpectHost(ssl_, host)) error_ = "there is no host whose certificate could be expected";
  }
}

TlsChannel::~TlsChannel() { SSL_free(ssl_); }

TlsChannel::Result TlsChannel::Fail(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return {Outcome::kWaitReadable};
    case SSL_ERROR_WANT_WRITE:
      return {Outcome::kWaitWritable};
    case SSL_ERROR_ZERO_RETURN:
      return {Outcome::kEof};
    case SSL_ERROR_SYSCALL:
      error_ = errno == 0 ? "connection closed" : std::strerror(errno);
      break;
    default:
      error_ = TakeOpenSslError("protocol error");
      if (const long verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK) {
        error_ = absl::StrCat("bad certificate: ", DescribeVerdict(verdict));
      }
  }
  ERR_clear_error();
  DrainSocket();
  return {Outcome::kError};
}

void TlsChannel::DrainSocket() const {
  char dropped[4096];
  for (size_t total = 0; total < kDrainBytesMax; total += sizeof(dropped)) {
    if (::recv(handle_, dropped, sizeof(dropped), MSG_DONTWAIT) <= 0) return;
  }
}

TlsChannel::Result TlsChannel::Handshake() {
  if (handshake_done_) return {Outcome::kOk};
  if (!error_.empty()) return {Outcome::kError};
  errno = 0;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const Result failed = Fail(result);
    if (failed.outcome != Outcome::kEof) return failed;
    error_ = "connection closed";
    return {Outcome::kError};
  }
  handshake_done_ = true;
  if (SSL_is_server(ssl_) != 0 && files_->tells_names()) LookAtClient();
  return {Outcome::kOk};
}

void TlsChannel::LookAtClient() {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return;
  if (const long verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK) {
    peer_certificate_.refused = DescribeVerdict(verdict);
    return;
  }
  peer_certificate_.common_name = CommonName(certificate);
  peer_certificate_.organizations = Organizations(certificate);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest, &size);
  peer_certificate_.sha256 =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

TlsChannel::Result TlsChannel::Read(char* to, size_t size) {
  if (const Result result = Handshake(); result.outcome != Outcome::kOk) return result;
  size_t total = 0;
  maybe_buffered_ = false;
  while (total < size) {
    errno = 0;
    ERR_clear_error();
    const int result =
        SSL_read(ssl_, to + total, static_cast<int>(std::min<size_t>(size - total, INT32_MAX)));
    if (result <= 0) {
      // What is wrong shows again at the next call.
      const Result failed = Fail(result);
      if (total > 0) maybe_buffered_ = failed.outcome != Outcome::kWaitReadable;
      return total > 0 ? Result{Outcome::kOk, total} : failed;
    }
    total += static_cast<size_t>(result);
  }
  maybe_buffered_ = true;
  return {Outcome::kOk, total};
}

TlsChannel::Result TlsChannel::Write(const iovec* pieces, size_t count) {
  if (const Result result = Handshake(); result.outcome != Outcome::kOk) return result;
  size_t total = 0;
  size_t piece = 0;
  size_t offset = 0;  // into the piece
  // A record that waits was copied before from the front of the pieces.
  size_t skip = record_blocked_ ? record_.size() : 0;
  for (;;) {
    if (!record_blocked_) record_.clear();
    while (piece < count && (skip > 0 || (!record_blocked_ && record_.size() < kRecordBytes))) {
      const size_t left = pieces[piece].iov_len - offset;
      const size_t taken = std::min(left, skip > 0 ? skip : kRecordBytes - record_.size());
      if (skip > 0) {
        skip -= taken;
      } else {
        record_.append(static_cast<const char*>(pieces[piece].iov_base) + offset, taken);
      }
      offset += taken;
      if (offset == pieces[piece].iov_len) {
        ++piece;
        offset = 0;
      }
    }
    if (record_.empty()) return {Outcome::kOk, total};
    errno = 0;
    ERR_clear_error();
    const int result = SSL_write(ssl_, record_.data(), static_cast<int>(record_.size()));
    if (result <= 0) {
      const Result failed = Fail(result);
      record_blocked_ =
          failed.outcome == Outcome::kWaitWritable || failed.outcome == Outcome::kWaitReadable;
      return total > 0 ? Result{Outcome::kOk, total} : failed;
    }
    KV_CHECK_EQ(static_cast<size_t>(result), record_.size());
    record_blocked_ = false;
    total += record_.size();
  }
}

void TlsChannel::Shutdown() {
  if (!handshake_done_ || !error_.empty()) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);  // a socket that takes no more has nobody who reads it
  ERR_clear_error();
}

// ------------------------------------------------------------------------------------ credentials

absl::StatusOr<std::shared_ptr<TlsCredentials>> TlsCredentials::Load(TlsOptions options,
                                                                     Notice notice) {
  std::shared_ptr<TlsCredentials> credentials(
      new TlsCredentials(std::move(options), std::move(notice)));
  credentials->tried_ = credentials->StateOfFiles();
  auto files = TlsFiles::Read(credentials->options_);
  if (!files.ok()) return files.status();
  credentials->files_ = *std::move(files);
  return credentials;
}

std::string TlsCredentials::StateOfFiles() const {
  std::string state;
  for (const std::string* file :
       {&options_.cert_file, &options_.key_file, &options_.client_cert_file,
        &options_.client_key_file, &options_.trusted_ca_file, &options_.crl_file}) {
    struct stat info;
    if (file->empty()) continue;
    if (stat(file->c_str(), &info) != 0) {
      state += "absent;";
      continue;
    }
    absl::StrAppend(&state, info.st_dev, ",", info.st_ino, ",", info.st_size, ",",
                    info.st_mtim.tv_sec, ",", info.st_mtim.tv_nsec, ";");
  }
  return state;
}

const std::shared_ptr<const TlsFiles>& TlsCredentials::Current() {
  // Taken before the files are read, so that a change in the middle of it is seen next time.
  std::string state = StateOfFiles();
  if (state == tried_) return files_;
  tried_ = std::move(state);
  if (auto files = TlsFiles::Read(options_); files.ok()) {
    files_ = *std::move(files);
    Log("read the TLS certificates again: their files have changed");
  } else {
    Log(absl::StrCat("go on with the former TLS certificates: ", files.status().message()));
  }
  return files_;
}

std::unique_ptr<TlsChannel> TlsCredentials::Accept(int handle) {
  return std::make_unique<TlsChannel>(Current(), TlsChannel::Role::kServer, handle, "");
}

std::unique_ptr<TlsChannel> TlsCredentials::Connect(int handle, const std::string& host) {
  return std::make_unique<TlsChannel>(Current(), TlsChannel::Role::kClient, handle, host);
}

}  // namespace keelson::http
