#include "tools/keelson/front.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>

#include "asio/buffer.hpp"
#include "asio/connect.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/read.hpp"
#include "asio/write.hpp"
#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::program {
namespace {

using asio::ip::tcp;

// A server that says its name to everybody and repeats what it hears, until the other side ends.
class Echo {
 public:
  Echo(asio::io_context* loop, char name)
      : loop_(*loop), name_(name), acceptor_(loop_, {asio::ip::address_v4::loopback(), 0}) {
    port = acceptor_.local_endpoint().port();
    Accept();
  }
  // As a process that was killed: nobody listens, and what was open is closed.
  void Die() {
    acceptor_.close();
    for (const auto& connection : open_) {
      if (const auto alive = connection.lock()) alive->socket.close();
    }
  }

  uint16_t port = 0;

 private:
  struct Connection {
    explicit Connection(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    std::array<char, 4096> buffer;
  };
  void Accept() {
    acceptor_.async_accept([this](const asio::error_code& error, tcp::socket socket) {
      if (error) return;
      const auto connection = std::make_shared<Connection>(std::move(socket));
      open_.push_back(connection);
      connection->buffer[0] = name_;
      Say(connection, 1);
      Accept();
    });
  }
  void Say(const std::shared_ptr<Connection>& connection, size_t bytes) {
    asio::async_write(connection->socket, asio::buffer(connection->buffer.data(), bytes),
                      [this, connection](const asio::error_code& error, size_t) {
                        if (!error) Hear(connection);
                      });
  }
  void Hear(const std::shared_ptr<Connection>& connection) {
    connection->socket.async_read_some(
        asio::buffer(connection->buffer),
        [this, connection](const asio::error_code& error, size_t bytes) {
          asio::error_code ignored;
          if (error) {
            connection->socket.shutdown(tcp::socket::shutdown_send, ignored);
          } else {
            Say(connection, bytes);
          }
        });
  }

  asio::io_context& loop_;
  const char name_;
  tcp::acceptor acceptor_;
  std::vector<std::weak_ptr<Connection>> open_;
};

class FrontTest : public testing::Test {
 protected:
  void StartFront() {
    for (const auto& server : servers_) options_.servers.push_back(server->port);
    options_.check_interval = absl::Milliseconds(5);
    front_ = std::make_unique<Front>(&loop_, options_, [this](uint16_t port, Front::Answer answer) {
      ++checks_;
      answer(sick_.count(port) == 0);
    });
    ASSERT_TRUE(front_->Listen().ok());
  }
  template <typename Condition>
  void RunUntil(const Condition& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      loop_.run_one_for(std::chrono::milliseconds(10));
      KV_CHECK(std::chrono::steady_clock::now() < end) << "hangs";
    }
  }
  std::unique_ptr<tcp::socket> Connect() {
    auto socket = std::make_unique<tcp::socket>(loop_);
    socket->connect({asio::ip::address_v4::loopback(), front_->port()});
    return socket;
  }
  // So many bytes, or those until the end.
  std::string Read(tcp::socket& socket, size_t bytes) {
    std::string text(bytes, '\0');
    std::optional<size_t> got;
    asio::async_read(socket, asio::buffer(text),
                     [&got](const asio::error_code&, size_t count) { got = count; });
    RunUntil([&got] { return got.has_value(); });
    text.resize(*got);
    return text;
  }
  void Write(tcp::socket& socket, const std::string& text) {
    bool done = false;
    asio::async_write(socket, asio::buffer(text),
                      [&done](const asio::error_code&, size_t) { done = true; });
    RunUntil([&done] { return done; });
  }
  void WaitForChecks(int rounds) {
    const int until = checks_ + rounds * static_cast<int>(servers_.size());
    RunUntil([&] { return checks_ >= until; });
  }

  asio::io_context loop_;
  std::vector<std::unique_ptr<Echo>> servers_;
  FrontOptions options_;
  std::map<uint16_t, bool> sick_;
  int checks_ = 0;
  std::unique_ptr<Front> front_;
};

class FrontOfThree : public FrontTest {
 protected:
  FrontOfThree() {
    for (const char name : {'a', 'b', 'c'})
      servers_.push_back(std::make_unique<Echo>(&loop_, name));
  }
  void SetUp() override { StartFront(); }
};

TEST_F(FrontOfThree, BytesPassBothWaysUntilBothSidesHaveEnded) {
  const auto client = Connect();
  Read(*client, 1);
  std::string text(300'000, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 >> 3);
  bool written = false;
  asio::async_write(*client, asio::buffer(text), [&](const asio::error_code&, size_t) {
    written = true;
    client->shutdown(tcp::socket::shutdown_send);
  });
  EXPECT_EQ(Read(*client, text.size() + 1), text) << "and the end behind it";
  EXPECT_TRUE(written);
  RunUntil([this] { return front_->connections() == 0; });
}

TEST_F(FrontOfThree, ConnectionsAreSpreadOverAll) {
  std::map<std::string, int> reached;
  std::vector<std::unique_ptr<tcp::socket>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(Connect());
    ++reached[Read(*clients.back(), 1)];
  }
  EXPECT_THAT(reached, testing::ElementsAre(testing::Pair("a", 3), testing::Pair("b", 3),
                                            testing::Pair("c", 3)));
}

TEST_F(FrontOfThree, DeadServerCostsItsConnectionsAndNoNewOne) {
  std::vector<std::unique_ptr<tcp::socket>> clients;
  std::map<std::string, tcp::socket*> of;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(Connect());
    of[Read(*clients.back(), 1)] = clients.back().get();
  }
  ASSERT_EQ(of.size(), 3u);
  servers_[0]->Die();  // the checks still say that it serves
  EXPECT_EQ(Read(*of["a"], 1), "");
  Write(*of["b"], "on");
  EXPECT_EQ(Read(*of["b"], 2), "on");
  for (int i = 0; i < 6; ++i) {
    clients.push_back(Connect());
    EXPECT_THAT(Read(*clients.back(), 1), testing::AnyOf("b", "c"));
  }
}

TEST_F(FrontOfThree, ServerThatDoesNotServeGetsNothingAndLosesWhatItHas) {
  const auto first = Connect();
  const std::string name = Read(*first, 1);
  const uint16_t port = servers_[static_cast<size_t>(name[0] - 'a')]->port;
  sick_[port] = true;
  WaitForChecks(2);
  EXPECT_EQ(front_->connections(), 1u) << "it may be a moment's weakness";
  std::vector<std::unique_ptr<tcp::socket>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(Connect());
    EXPECT_NE(Read(*clients.back(), 1), name);
  }
  EXPECT_EQ(Read(*first, 1), "");
  sick_.clear();
  WaitForChecks(1);
  clients.push_back(Connect());
  EXPECT_EQ(Read(*clients.back(), 1), name) << "it is well again, and has the fewest";
}

TEST_F(FrontOfThree, WithoutAnyServerConnectionsEnd) {
  for (const auto& server : servers_) server->Die();
  const auto client = Connect();
  EXPECT_EQ(Read(*client, 1), "");
  RunUntil([this] { return front_->connections() == 0; });
}

TEST_F(FrontTest, MoreConnectionsThanItMayHaveAreRefused) {
  servers_.push_back(std::make_unique<Echo>(&loop_, 'a'));
  options_.connections_max = 2;
  StartFront();
  const auto one = Connect();
  const auto two = Connect();
  EXPECT_EQ(Read(*one, 1) + Read(*two, 1), "aa");
  const auto three = Connect();
  EXPECT_EQ(Read(*three, 1), "");
  one->close();
  RunUntil([this] { return front_->connections() == 1; });
  const auto four = Connect();
  EXPECT_EQ(Read(*four, 1), "a");
}

TEST_F(FrontTest, TakenAddressIsAnError) {
  StartFront();
  FrontOptions options;
  options.port = front_->port();
  Front second(&loop_, options, [](uint16_t, const Front::Answer&) {});
  EXPECT_EQ(second.Listen().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace keelson::program
