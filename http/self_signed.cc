// SelfSigned of tls.h.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "crypto/certificate.h"
#include "http/tls.h"

namespace keelson::http {
namespace {

constexpr char kOrganization[] = "keelson";

// Both are written under another name first: half a file is never taken for a whole one.
absl::Status WriteFile(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, content.data(), content.size()) ==
                                      static_cast<ssize_t>(content.size());
  if (fd >= 0) ::close(fd);
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::InternalError(
        absl::StrCat("tls: cannot write ", path, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

// A certificate is there and goes on being valid for a day.
bool IsUsable(const std::string& cert_file) {
  std::ifstream file(cert_file);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return crypto::IsValidAt(text, absl::Now() + absl::Hours(24));
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
  // It is its own authority: others of our kind are given it to believe us.
  const crypto::CertificateSpec spec = {
      .organizations = {kOrganization},
      .hosts = hosts,
      .authority = true,
      .server = true,
      .client = true,
      .not_after = absl::Now() + 365 * validity_years * absl::Hours(24)};
  const auto made = crypto::MakeCertificate(spec, nullptr);
  if (!made.ok()) {
    return absl::Status(made.status().code(), absl::StrCat("tls: ", made.status().message()));
  }
  KV_RETURN_IF_ERROR(WriteFile(options.key_file, made->key));
  KV_RETURN_IF_ERROR(WriteFile(options.cert_file, made->certificate));
  return options;
}

}  // namespace keelson::http
