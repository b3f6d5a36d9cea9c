#include "server/auth/bcrypt.h"

#include <crypt.h>

#include <cstring>
#include <memory>

#include "base/check.h"

namespace keelson::server {
namespace {

constexpr size_t kPasswordBytesMax = 72;
constexpr size_t kSaltBytes = 16;
constexpr size_t kHashBytes = 60;

// "" when `setting` is none that bcrypt takes.
std::string Crypt(const std::string& password, const std::string& setting) {
  // It is 32 KB, and crypt_r wants it zeroed.
  const auto data = std::make_unique<crypt_data>();
  const char* const hash = crypt_rn(password.c_str(), setting.c_str(), data.get(), sizeof *data);
  std::string result = hash == nullptr ? "" : hash;
  explicit_bzero(data.get(), sizeof *data);
  return result;
}

// Takes as long whatever the bytes are.
bool EqualInConstantTime(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(a[i]) ^ static_cast<unsigned>(b[i]);
  }
  return difference == 0;
}

}  // namespace

absl::StatusOr<std::string> HashPassword(std::string_view password, int cost,
                                         const SecretSource& secrets) {
  KV_CHECK(cost >= kBcryptCostMin && cost <= kBcryptCostMax) << cost;
  if (password.size() > kPasswordBytesMax) {
    return absl::UnknownError("bcrypt: password length exceeds 72 bytes");
  }
  if (password.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("bcrypt: password contains a zero byte");
  }
  const std::string salt = secrets(kSaltBytes);
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  KV_CHECK(crypt_gensalt_rn("$2b$", static_cast<unsigned long>(cost), salt.data(),
                            static_cast<int>(salt.size()), setting, sizeof setting) != nullptr)
      << "libxcrypt makes no salt for bcrypt";
  std::string hash = Crypt(std::string(password), setting);
  if (hash.size() != kHashBytes) return absl::InternalError("bcrypt: the password was not hashed");
  return hash;
}

bool PasswordMatches(std::string_view password, std::string_view hash) {
  if (hash.size() != kHashBytes || !hash.starts_with("$2") ||
      password.find('\0') != std::string_view::npos) {
    return false;
  }
  const std::string made = Crypt(std::string(password), std::string(hash));
  return EqualInConstantTime(made, hash);
}

}  // namespace keelson::server
