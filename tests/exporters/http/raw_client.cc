#include "exporters/http/raw_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace runledger::exporters {

RawClient::RawClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{.tv_sec = 60, .tv_usec = 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << std::strerror(errno);
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawClient::Fill() {
  char chunk[1 << 16];
  const ssize_t size = recv(fd_, chunk, sizeof(chunk), 0);
  EXPECT_FALSE(size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) << "nothing came for a minute";
  if (size <= 0) return false;
  buffered_.append(chunk, static_cast<size_t>(size));
  return true;
}

std::string RawClient::ReadAll() {
  while (Fill()) {
  }
  return std::exchange(buffered_, {});
}

std::string RawClient::ReadAnswer(bool with_body) {
  size_t end;
  while ((end = buffered_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return {};
  }
  end += 4;
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const size_t length = buffered_.find(kLength);
  if (with_body && length != std::string::npos && length < end)
    end += std::stoul(buffered_.substr(length + kLength.size()));
  while (buffered_.size() < end) {
    if (!Fill()) return {};
  }
  const std::string answer = buffered_.substr(0, end);
  buffered_.erase(0, end);
  return answer;
}

void RawClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace runledger::exporters
