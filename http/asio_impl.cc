// The one place where Asio's out-of-line code is compiled (ASIO_SEPARATE_COMPILATION).
#include <asio/impl/src.hpp>
