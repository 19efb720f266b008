#include "exporters/http/listen_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace runledger::exporters {
namespace {

using ::testing::HasSubstr;

TEST(ListenSocket, FreePortIsReported) {
  const auto socket = Listen("127.0.0.1:0");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_NE(socket->port, 0);
  EXPECT_EQ(socket->address, "127.0.0.1:" + std::to_string(socket->port));
  close(socket->fd);
}

TEST(ListenSocket, EveryAddressAndNames) {
  for (const char* address : {":0", "*:0", "0.0.0.0:0", "localhost:0"}) {
    const auto socket = Listen(address);
    ASSERT_TRUE(socket.ok()) << address << ": " << socket.status();
    close(socket->fd);
  }
}

TEST(ListenSocket, IPv6) {
  const auto socket = Listen("[::1]:0");
  if (!socket.ok()) {
    EXPECT_EQ(socket.status().code(), absl::StatusCode::kUnavailable);
    GTEST_SKIP() << "this host has no IPv6: " << socket.status();
  }
  EXPECT_EQ(socket->address, "[::1]:" + std::to_string(socket->port));
  close(socket->fd);
}

TEST(ListenSocket, NoAddress) {
  for (const char* address : {"", "9464", "localhost", "localhost:", "localhost:http", "localhost:70000",
                              "localhost:-1", "::1:9464", "[::1]", "a:b:c", "127.0.0.1:00000000"}) {
    const auto socket = Listen(address);
    ASSERT_FALSE(socket.ok()) << address;
    EXPECT_EQ(socket.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(socket.status().message()), HasSubstr("http.listen")) << address;
  }
}

TEST(ListenSocket, PortInUseNamesAddressAndSetting) {
  const auto first = Listen("127.0.0.1:0");
  ASSERT_TRUE(first.ok());
  const auto second = Listen(first->address);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(second.status().message()),
            "http.listen: cannot listen on " + first->address +
                ": Address already in use (another process listens there; stop it or choose another port)");
  close(first->fd);
}

TEST(ListenSocket, AddressOfAnotherHost) {
  const auto socket = Listen("192.0.2.1:0");  // for documentation: nobody has it
  ASSERT_FALSE(socket.ok());
  EXPECT_EQ(socket.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(socket.status().message()),
              HasSubstr("http.listen: cannot listen on 192.0.2.1:0: Cannot assign requested address"));
}

}  // namespace
}  // namespace runledger::exporters
