#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace runledger::exporters {

// A TCP connection to 127.0.0.1 that sends any bytes: for what no proper client would send. Reads give up after a
// minute, which no test should need.
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False once the other side has closed.
  bool Send(std::string_view bytes);
  // All that comes until the other side closes.
  std::string ReadAll();
  // One answer, headers and body as its Content-Length says; `with_body` false: of HEAD. Empty: closed before.
  std::string ReadAnswer(bool with_body = true);
  void Close();

 private:
  bool Fill();

  int fd_;
  std::string buffered_;
};

}  // namespace runledger::exporters
