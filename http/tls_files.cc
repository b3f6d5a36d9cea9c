#include "http/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace keelson::http {
namespace {

// Server names of ALPN, in our order of preference.
constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";

absl::Status FileError(const std::string& what, const std::string& file, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("tls: ", what, " ", file, ": ", why));
}

// That it can be opened at all is looked at first: OpenSSL's words for it are hard to read.
absl::Status CheckFile(const std::string& what, const std::string& file) {
  struct stat info;
  if (stat(file.c_str(), &info) != 0) {
    return FileError(what, file, absl::AsciiStrToLower(std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) return FileError(what, file, "not a regular file");
  if (FILE* const opened = std::fopen(file.c_str(), "r"); opened != nullptr) {
    std::fclose(opened);
    return absl::OkStatus();
  }
  return FileError(what, file, absl::AsciiStrToLower(std::strerror(errno)));
}

absl::StatusOr<int> ParseVersion(const std::string& text) {
  if (text.empty()) return 0;
  if (text == "TLS1.2") return TLS1_2_VERSION;
  if (text == "TLS1.3") return TLS1_3_VERSION;
  return absl::InvalidArgumentError(absl::StrCat("unexpected TLS version \"", text, "\""));
}

// Where a TlsFiles is found from inside OpenSSL's callback.
int OwnerIndex() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof(kProtocols) - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool IsAddress(const std::string& host) {
  const std::unique_ptr<ASN1_OCTET_STRING, decltype(&ASN1_OCTET_STRING_free)> address(
      a2i_IPADDRESS(host.c_str()), ASN1_OCTET_STRING_free);
  ERR_clear_error();
  return address != nullptr;
}

}  // namespace

std::string TakeOpenSslError(const std::string& otherwise) {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return otherwise;
  const char* const reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : otherwise;
}

namespace {

// All values of one kind in the subject, as UTF-8.
std::vector<std::string> SubjectEntries(X509* certificate, int kind) {
  X509_NAME* const name = X509_get_subject_name(certificate);
  std::vector<std::string> entries;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, kind, at)) >= 0;) {
    unsigned char* text = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) {
      ERR_clear_error();
      entries.emplace_back();
      continue;
    }
    entries.emplace_back(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
    OPENSSL_free(text);
  }
  return entries;
}

}  // namespace

std::string CommonName(X509* certificate) {
  std::vector<std::string> names = SubjectEntries(certificate, NID_commonName);
  return names.empty() ? "" : std::move(names.back());
}

std::vector<std::string> Organizations(X509* certificate) {
  return SubjectEntries(certificate, NID_organizationName);
}

absl::StatusOr<std::shared_ptr<const TlsFiles>> TlsFiles::Read(const TlsOptions& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls: KeyFile and CertFile must both be present [key: ", options.key_file,
                     ", cert: ", options.cert_file, "]"));
  }
  if (options.client_cert_file.empty() != options.client_key_file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls: ClientKeyFile and ClientCertFile must both be present [key: ",
                     options.client_key_file, ", cert: ", options.client_cert_file, "]"));
  }
  if (!options.allowed_common_names.empty() && !options.allowed_hostnames.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls: AllowedCN and AllowedHostname are mutually exclusive (cn=",
                     absl::StrJoin(options.allowed_common_names, ","),
                     ", hostname=", absl::StrJoin(options.allowed_hostnames, ","), ")"));
  }
  const std::shared_ptr<TlsFiles> files(new TlsFiles(options));
  KV_RETURN_IF_ERROR(files->ReadRevocations());
  if (!options.cert_file.empty()) {
    KV_ASSIGN_OR_RETURN(files->server_, files->NewContext(TlsChannel::Role::kServer));
  }
  KV_ASSIGN_OR_RETURN(files->client_, files->NewContext(TlsChannel::Role::kClient));
  return files;
}

absl::StatusOr<OpenSslPtr<SSL_CTX>> TlsFiles::NewContext(TlsChannel::Role role) const {
  const bool server = role == TlsChannel::Role::kServer;
  OpenSslPtr<SSL_CTX> owned(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* const context = owned.get();
  if (context == nullptr) return absl::InternalError(TakeOpenSslError("tls: out of memory"));
  SSL_CTX_set_ex_data(context, OwnerIndex(), const_cast<TlsFiles*>(this));
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  // Without partial writes a write is done or waits, whatever sizes of records the client asked
  // for.
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  // A key under a password would ask for it on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  // Whatever lies in the CA file is believed, as in Go, also an intermediate authority.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  KV_RETURN_IF_ERROR(SetVersions(context));
  KV_RETURN_IF_ERROR(SetCipherSuites(context));
  KV_RETURN_IF_ERROR(UseAuthorities(context));
  if (server) {
    KV_RETURN_IF_ERROR(UseCertificate(context, options_.cert_file, options_.key_file));
    SSL_CTX_set_alpn_select_cb(context, SelectProtocol, nullptr);
    const bool demand = options_.require_client_cert ||
                        (!options_.trusted_ca_file.empty() && !options_.ask_client_cert);
    SSL_CTX_set_verify(context,
                       demand ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                       : options_.ask_client_cert ? SSL_VERIFY_PEER
                                                  : SSL_VERIFY_NONE,
                       OnVerify);
  } else {
    if (!options_.client_cert_file.empty()) {
      KV_RETURN_IF_ERROR(
          UseCertificate(context, options_.client_cert_file, options_.client_key_file));
    } else if (!options_.cert_file.empty()) {
      KV_RETURN_IF_ERROR(UseCertificate(context, options_.cert_file, options_.key_file));
    }
    SSL_CTX_set_verify(context, options_.verify_server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       OnVerify);
    std::string offered;
    for (const std::string& protocol : options_.client_protocols) {
      offered += static_cast<char>(protocol.size());
      offered += protocol;
    }
    // 0 is success here.
    if (SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(offered.data()),
                                static_cast<unsigned>(offered.size())) != 0) {
      return absl::InternalError(TakeOpenSslError("tls: out of memory"));
    }
  }
  return owned;
}

absl::Status TlsFiles::UseCertificate(SSL_CTX* context, const std::string& cert_file,
                                      const std::string& key_file) const {
  KV_RETURN_IF_ERROR(CheckFile("certificate", cert_file));
  KV_RETURN_IF_ERROR(CheckFile("key", key_file));
  if (SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1) {
    return FileError("certificate", cert_file, TakeOpenSslError("not a PEM certificate"));
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return FileError("key", key_file, TakeOpenSslError("not a PEM key without a password"));
  }
  return absl::OkStatus();
}

absl::Status TlsFiles::UseAuthorities(SSL_CTX* context) const {
  const std::string& file = options_.trusted_ca_file;
  if (file.empty()) {
    SSL_CTX_set_default_verify_paths(context);  // a machine without any verifies nobody
    ERR_clear_error();
    return absl::OkStatus();
  }
  KV_RETURN_IF_ERROR(CheckFile("CA file", file));
  if (SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    return FileError("CA file", file, TakeOpenSslError("no PEM certificates"));
  }
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr) return FileError("CA file", file, TakeOpenSslError("no certificates"));
  SSL_CTX_set_client_CA_list(context, names);
  return absl::OkStatus();
}

absl::Status TlsFiles::SetVersions(SSL_CTX* context) const {
  KV_ASSIGN_OR_RETURN(const int min, ParseVersion(options_.version_min));
  KV_ASSIGN_OR_RETURN(const int max, ParseVersion(options_.version_max));
  if (max != 0 && min > max) {
    return absl::InvalidArgumentError(absl::StrCat("min version (", options_.version_min,
                                                   ") is greater than max version (",
                                                   options_.version_max, ")"));
  }
  if (min == TLS1_3_VERSION && !options_.cipher_suites.empty()) {
    return absl::InvalidArgumentError(
        "cipher suites cannot be configured when only TLS1.3 is enabled");
  }
  SSL_CTX_set_min_proto_version(context, min == 0 ? TLS1_2_VERSION : min);
  SSL_CTX_set_max_proto_version(context, max);
  return absl::OkStatus();
}

// TLS 1.3 has its own suites, all of them good, and the list is not about those, as in Go.
absl::Status TlsFiles::SetCipherSuites(SSL_CTX* context) const {
  if (options_.cipher_suites.empty()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const std::string& suite : options_.cipher_suites) {
    const std::string name = OPENSSL_cipher_name(suite.c_str());
    if (name == "(NONE)") {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected TLS cipher suite \"", suite, "\""));
    }
    if (!name.starts_with("TLS_")) names.push_back(name);
  }
  if (names.empty()) {
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  } else if (SSL_CTX_set_cipher_list(context, absl::StrJoin(names, ":").c_str()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls: none of the cipher suites can be used: ", TakeOpenSslError("")));
  }
  return absl::OkStatus();
}

absl::Status TlsFiles::ReadRevocations() {
  const std::string& file = options_.crl_file;
  if (file.empty()) return absl::OkStatus();
  KV_RETURN_IF_ERROR(CheckFile("CRL file", file));
  const OpenSslPtr<BIO> bio(BIO_new_file(file.c_str(), "r"));
  if (bio == nullptr) return FileError("CRL file", file, TakeOpenSslError("cannot be opened"));
  while (X509_CRL* const crl = PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)) {
    revocations_.emplace_back(crl);
  }
  const unsigned long ended = ERR_peek_last_error();
  const bool at_end = ERR_GET_REASON(ended) == PEM_R_NO_START_LINE;
  if (!revocations_.empty() && at_end) {
    ERR_clear_error();
    return absl::OkStatus();
  }
  ERR_clear_error();
  if (revocations_.empty() && BIO_reset(bio.get()) == 0) {
    if (X509_CRL* const crl = d2i_X509_CRL_bio(bio.get(), nullptr); crl != nullptr) {
      revocations_.emplace_back(crl);
      return absl::OkStatus();
    }
  }
  ERR_clear_error();
  return FileError("CRL file", file, "not a list of revoked certificates");
}

// OpenSSL asks once for each certificate of the chain, the other side's own last, and for each
// thing that is wrong; a verdict that we let pass stays for SSL_get_verify_result.
int TlsFiles::OnVerify(int accepted, X509_STORE_CTX* verification) {
  auto* const ssl = static_cast<SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* const files =
      static_cast<TlsFiles*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), OwnerIndex()));
  const bool lenient = files->options_.ask_client_cert && !files->options_.require_client_cert &&
                       SSL_is_server(ssl) != 0;
  if (accepted == 0) return lenient ? 1 : 0;
  if (X509_STORE_CTX_get_error_depth(verification) > 0) return 1;
  const int verdict = files->CheckChain(X509_STORE_CTX_get0_chain(verification));
  if (verdict == X509_V_OK) return 1;
  X509_STORE_CTX_set_error(verification, verdict);
  return lenient ? 1 : 0;
}

int TlsFiles::CheckChain(const STACK_OF(X509) * chain) const {
  if (!IsAllowed(sk_X509_value(chain, 0))) return X509_V_ERR_APPLICATION_VERIFICATION;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    for (const OpenSslPtr<X509_CRL>& crl : revocations_) {
      if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate)) != 0) {
        continue;
      }
      X509_REVOKED* entry = nullptr;
      if (X509_CRL_get0_by_cert(crl.get(), &entry, certificate) == 1) {
        return X509_V_ERR_CERT_REVOKED;
      }
    }
  }
  return X509_V_OK;
}

bool TlsFiles::IsAllowed(X509* certificate) const {
  const std::vector<std::string>& names = options_.allowed_common_names;
  if (!names.empty()) {
    return std::count(names.begin(), names.end(), CommonName(certificate)) > 0;
  }
  if (options_.allowed_hostnames.empty()) return true;
  return std::any_of(options_.allowed_hostnames.begin(), options_.allowed_hostnames.end(),
                     [certificate](const std::string& host) {
                       if (IsAddress(host))
                         return X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
                       return X509_check_host(certificate, host.data(), host.size(),
                                              X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
                     });
}

}  // namespace keelson::http
