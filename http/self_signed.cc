// SelfSigned of tls.h.
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "http/tls_files.h"

namespace keelson::http {
namespace {

constexpr char kOrganization[] = "keelson";
constexpr long kClockSkewSeconds = 300;
constexpr long kDaySeconds = 24 * 60 * 60;

absl::Status Failed(const std::string& what) {
  return absl::InternalError(absl::StrCat("tls: cannot make a self-signed certificate: ", what,
                                          ": ", TakeOpenSslError("out of memory")));
}

absl::Status AddExtension(X509* certificate, int kind, const std::string& text) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, text.c_str());
  if (extension == nullptr) return Failed(text);
  const int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added == 1 ? absl::OkStatus() : Failed(text);
}

absl::StatusOr<std::string> AlternativeNames(const std::vector<std::string>& hosts) {
  std::vector<std::string> names;
  for (const std::string& host : hosts) {
    if (host.find_first_of(",:=\n") != std::string::npos && host.find('.') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("tls: \"", host, "\" is no host"));
    }
    ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
    names.push_back(absl::StrCat(address != nullptr ? "IP:" : "DNS:", host));
    ASN1_OCTET_STRING_free(address);
  }
  ERR_clear_error();
  return absl::StrJoin(names, ",");
}

absl::StatusOr<OpenSslPtr<X509>> NewCertificate(EVP_PKEY* key,
                                                const std::vector<std::string>& hosts,
                                                int validity_years) {
  OpenSslPtr<X509> owned(X509_new());
  X509* const certificate = owned.get();
  uint64_t serial = 0;
  if (certificate == nullptr ||
      RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) != 1) {
    return Failed("its serial number");
  }
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kClockSkewSeconds);
  X509_time_adj_ex(X509_getm_notAfter(certificate), 365 * validity_years, 0, nullptr);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(kOrganization), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  KV_RETURN_IF_ERROR(AddExtension(certificate, NID_key_usage,
                                  "critical,digitalSignature,keyEncipherment,keyCertSign"));
  KV_RETURN_IF_ERROR(AddExtension(certificate, NID_ext_key_usage, "serverAuth,clientAuth"));
  KV_RETURN_IF_ERROR(AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE"));
  KV_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(hosts));
  KV_RETURN_IF_ERROR(AddExtension(certificate, NID_subject_alt_name, names));
  if (X509_sign(certificate, key, EVP_sha256()) == 0) return Failed("its signature");
  return owned;
}

// Both are written under another name first: half a file is never taken for a whole one.
absl::Status WriteFile(const std::string& path, BIO* content) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(content, &data);
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, data, static_cast<size_t>(size)) == size;
  if (fd >= 0) ::close(fd);
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::InternalError(
        absl::StrCat("tls: cannot write ", path, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

// A certificate is there and goes on being valid for a day.
bool IsUsable(const std::string& cert_file) {
  const OpenSslPtr<BIO> bio(BIO_new_file(cert_file.c_str(), "r"));
  const OpenSslPtr<X509> certificate(
      bio == nullptr ? nullptr : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) return false;
  time_t tomorrow = time(nullptr) + kDaySeconds;
  return X509_cmp_time(X509_get0_notAfter(certificate.get()), &tomorrow) > 0;
}

}  // namespace

absl::StatusOr<TlsOptions> SelfSigned(const std::string& directory,
                                      const std::vector<std::string>& hosts, int validity_years) {
  TlsOptions options;
  options.cert_file = directory + "/cert.pem";
  options.key_file = directory + "/key.pem";
  options.verify_server = false;
  if (IsUsable(options.cert_file)) return options;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::InternalError(absl::StrCat("tls: cannot make ", directory, ": ", error.message()));
  }
  const OpenSslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("its key");
  KV_ASSIGN_OR_RETURN(const OpenSslPtr<X509> certificate,
                      NewCertificate(key.get(), hosts, validity_years));
  const OpenSslPtr<BIO> key_text(BIO_new(BIO_s_mem()));
  const OpenSslPtr<BIO> certificate_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1 ||
      PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1) {
    return Failed("its files");
  }
  KV_RETURN_IF_ERROR(WriteFile(options.key_file, key_text.get()));
  KV_RETURN_IF_ERROR(WriteFile(options.cert_file, certificate_text.get()));
  return options;
}

}  // namespace keelson::http
