// TlsFiles: what TlsCredentials read from its files at one time: OpenSSL's contexts for both sides
// of a connection, and the rules that its verification asks for beyond OpenSSL's own. Immutable;
// shared by the channels that began with it. Internal to http/.
#ifndef KEELSON_HTTP_TLS_FILES_H_
#define KEELSON_HTTP_TLS_FILES_H_

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "http/tls.h"

namespace keelson::http {

struct OpenSslDelete {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(X509_CRL* p) const { X509_CRL_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
template <typename T>
using OpenSslPtr = std::unique_ptr<T, OpenSslDelete>;

// Takes OpenSSL's queue of errors: the reason of the first one, or `otherwise`.
std::string TakeOpenSslError(const std::string& otherwise);

class TlsFiles {
 public:
  static absl::StatusOr<std::shared_ptr<const TlsFiles>> Read(const TlsOptions& options);

  // Null: we have no certificate to show.
  SSL_CTX* server() const { return server_.get(); }
  SSL_CTX* client() const { return client_.get(); }
  bool tells_names() const { return options_.require_client_cert || options_.ask_client_cert; }

 private:
  explicit TlsFiles(const TlsOptions& options) : options_(options) {}

  absl::StatusOr<OpenSslPtr<SSL_CTX>> NewContext(TlsChannel::Role role) const;
  absl::Status UseCertificate(SSL_CTX* context, const std::string& cert_file,
                              const std::string& key_file) const;
  absl::Status UseAuthorities(SSL_CTX* context) const;
  absl::Status SetVersions(SSL_CTX* context) const;
  absl::Status SetCipherSuites(SSL_CTX* context) const;
  absl::Status ReadRevocations();
  static int OnVerify(int accepted, X509_STORE_CTX* verification);
  // X509_V_OK, or why a chain that OpenSSL accepted is refused.
  int CheckChain(const STACK_OF(X509) * chain) const;
  bool IsAllowed(X509* certificate) const;

  const TlsOptions options_;
  std::vector<OpenSslPtr<X509_CRL>> revocations_;
  OpenSslPtr<SSL_CTX> server_;
  OpenSslPtr<SSL_CTX> client_;
};

// The certificate's common name, the last when it has several, as UTF-8.
std::string CommonName(X509* certificate);
// Its organizations, in their order.
std::vector<std::string> Organizations(X509* certificate);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_TLS_FILES_H_
