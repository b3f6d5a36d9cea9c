// TLS on OpenSSL, without waiting: TlsCredentials are the certificates, authorities and rules of
// one kind of connection (clients' or peers'), read from files and read again when those change;
// TlsChannel is one connection's encryption over a socket that somebody else waits on.
//
// Thread: one at a time. Credentials belong to one loop (two loops load the same files twice); a
// channel may move to another loop together with its socket.
//
//  1. A file that has changed counts from the next handshake on. While the files do not fit
//  together
//     (a certificate was replaced, its key not yet) the former ones stay, and a line is logged.
//  2. Sessions are not resumed: every connection proves anew who it is, so that a revoked or
//     replaced certificate ends with its connections.
//  3. The other side's certificate is checked, chain, purpose, time, name, revocation and the lists
//     of allowed names, before the handshake ends: whoever is refused hears so by an alert.
#ifndef KEELSON_HTTP_TLS_H_
#define KEELSON_HTTP_TLS_H_

#include <sys/uio.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "http/peer_certificate.h"

struct ssl_st;  // OpenSSL's SSL

namespace keelson::http {

// Files are PEM; a list of revoked certificates may be DER. Empty: not used.
struct TlsOptions {
  std::string cert_file;  // ours, with the intermediates behind it
  std::string key_file;
  std::string client_cert_file;  // shown where we are the client; cert_file when empty
  std::string client_key_file;
  std::string trusted_ca_file;  // whom we believe; the system's authorities when empty
  std::string crl_file;
  // Demand certificates of clients, who are then known by their common names. trusted_ca_file alone
  // demands them too, as in etcd, but tells nobody's name.
  bool require_client_cert = false;
  // Ask for them only: who has none, or one that does not verify, is let in all the same and known
  // as that (peer_certificate.h).
  bool ask_client_cert = false;
  bool verify_server = true;  // where we are the client
  // Offered by ALPN where we are the client, such as "h2"; none when empty.
  std::vector<std::string> client_protocols;
  // Of the other side's certificate one must match; at most one of the lists may be given.
  std::vector<std::string> allowed_common_names;
  std::vector<std::string> allowed_hostnames;
  std::vector<std::string> cipher_suites;  // IANA names; all good ones when empty
  std::string version_min = "TLS1.2";      // or TLS1.3
  std::string version_max;                 // the same, or empty
};

class TlsFiles;

class TlsChannel {
 public:
  enum class Outcome {
    kOk,
    kWaitReadable,  // again when the socket is readable
    kWaitWritable,  // again when it is writable
    kEof,           // the other side has ended its part
    kError,         // see error()
  };
  struct Result {
    Outcome outcome;
    size_t bytes = 0;  // with kOk
  };
  enum class Role { kServer, kClient };

  // `handle` is a connected, non-blocking socket that stays open as long as this is used. A client
  // demands that the certificate is `host`'s.
  TlsChannel(std::shared_ptr<const TlsFiles> files, Role role, int handle, const std::string& host);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  // kOk once done. Read and Write do it first by themselves.
  Result Handshake();
  // As much as there is, at most `size` bytes (> 0).
  Result Read(char* to, size_t size);
  // Takes what goes out now. What it did not take must come again, unchanged, with more behind it
  // or not.
  Result Write(const iovec* pieces, size_t count);
  // Tells the other side that no more comes. Nothing can be written after it.
  void Shutdown();

  bool handshake_done() const { return handshake_done_; }
  // The last Read filled its buffer: there may be more that no socket tells of.
  bool maybe_buffered() const { return maybe_buffered_; }
  // Why the last call gave kError, for people.
  const std::string& error() const { return error_; }
  // A server's client's, with require_client_cert or ask_client_cert; else empty.
  const PeerCertificate& peer_certificate() const { return peer_certificate_; }

 private:
  Result Fail(int result);
  void LookAtClient();
  // Reads and drops what the other side has sent: closing with it unread would make the system send
  // a reset, which overtakes our alert.
  void DrainSocket() const;

  const std::shared_ptr<const TlsFiles> files_;
  const int handle_;
  ssl_st* ssl_;
  bool handshake_done_ = false;
  bool maybe_buffered_ = false;
  std::string error_;
  PeerCertificate peer_certificate_;
  // Pieces are copied together into whole records. One that the socket did not take is tried again
  // with the same bytes.
  std::string record_;
  bool record_blocked_ = false;
};

class TlsCredentials {
 public:
  using Notice = std::function<void(const std::string& line)>;

  // InvalidArgument: a file cannot be read or does not fit, or an option is wrong; one line that
  // names it. `notice` gets lines for the log.
  static absl::StatusOr<std::shared_ptr<TlsCredentials>> Load(TlsOptions options, Notice notice);

  // The two sides of a connection. REQUIRES: Accept: there is a cert_file.
  std::unique_ptr<TlsChannel> Accept(int handle);
  std::unique_ptr<TlsChannel> Connect(int handle, const std::string& host);

  void Log(const std::string& line) const { notice_(line); }

 private:
  TlsCredentials(TlsOptions options, Notice notice)
      : options_(std::move(options)), notice_(std::move(notice)) {}
  // What a file looked like; equal states mean that nothing has changed.
  std::string StateOfFiles() const;
  const std::shared_ptr<const TlsFiles>& Current();

  const TlsOptions options_;
  const Notice notice_;
  std::string tried_;  // StateOfFiles before the last attempt to read them
  std::shared_ptr<const TlsFiles> files_;
};

// Makes a self-signed certificate for `hosts` (names and addresses), cert.pem and key.pem in
// `directory`, unless a valid one is there. Returns options that use it and believe whoever else
// has one.
absl::StatusOr<TlsOptions> SelfSigned(const std::string& directory,
                                      const std::vector<std::string>& hosts, int validity_years);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_TLS_H_
