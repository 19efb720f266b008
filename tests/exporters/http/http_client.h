#pragma once

#include <map>
#include <string>
#include <vector>

namespace runledger::exporters {

struct HttpReply {
  long status = 0;  // 0: no answer, see error
  std::string error;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  long connects = 0;  // new connections that it took
};

struct HttpCall {
  std::string url;
  std::string method = "GET";
  std::vector<std::string> headers = {};  // "Accept: text/plain"
  std::string body = {};
  std::string accept_encoding = {};  // "gzip": asks for it and decompresses
  std::string ca_file = {};
  std::string max_tls = {};  // "1.1": offers nothing newer
};

// A client by libcurl that keeps its connection. One thread.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  HttpReply Do(const HttpCall& call);
  HttpReply Get(const std::string& url) { return Do({.url = url}); }

 private:
  void* curl_;
};

}  // namespace runledger::exporters
