#include "exporters/http/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>

namespace runledger::exporters {
namespace {

size_t CollectBody(const char* data, size_t size, size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

size_t CollectHeader(const char* data, size_t size, size_t count, void* to) {
  const std::string line(data, size * count);
  const size_t colon = line.find(": ");
  if (colon != std::string::npos) {
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const size_t end = line.find_last_not_of("\r\n") + 1;
    (*static_cast<std::map<std::string, std::string>*>(to))[name] = line.substr(colon + 2, end - colon - 2);
  }
  return size * count;
}

}  // namespace

HttpClient::HttpClient() : curl_(curl_easy_init()) {}
HttpClient::~HttpClient() { curl_easy_cleanup(curl_); }

HttpReply HttpClient::Do(const HttpCall& call) {
  HttpReply reply;
  curl_easy_reset(curl_);
  curl_easy_setopt(curl_, CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl_, CURLOPT_PROXY, "");
  curl_easy_setopt(curl_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl_, CURLOPT_TIMEOUT, 60L);
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &CollectBody);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, &CollectHeader);
  curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &reply.headers);
  if (call.method == "HEAD") curl_easy_setopt(curl_, CURLOPT_NOBODY, 1L);
  if (!call.body.empty()) {
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE, static_cast<long>(call.body.size()));
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, call.body.c_str());
  }
  if (call.method != "HEAD") curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  if (!call.accept_encoding.empty()) curl_easy_setopt(curl_, CURLOPT_ACCEPT_ENCODING, call.accept_encoding.c_str());
  if (!call.ca_file.empty()) curl_easy_setopt(curl_, CURLOPT_CAINFO, call.ca_file.c_str());
  if (call.max_tls == "1.1") {
    curl_easy_setopt(curl_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_MAX_TLSv1_1));
    curl_easy_setopt(curl_, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");  // else the client would refuse itself
  }
  curl_slist* headers = nullptr;
  for (const std::string& header : call.headers) headers = curl_slist_append(headers, header.c_str());
  curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);

  const CURLcode code = curl_easy_perform(curl_);
  if (code != CURLE_OK) reply.error = curl_easy_strerror(code);
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &reply.status);
  curl_easy_getinfo(curl_, CURLINFO_NUM_CONNECTS, &reply.connects);
  curl_slist_free_all(headers);
  return reply;
}

}  // namespace runledger::exporters
