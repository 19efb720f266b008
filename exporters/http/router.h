#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exporters/http/message.h"

namespace runledger::exporters {

// Finds the route of a request. Unchanging: any thread.
class Router {
 public:
  explicit Router(std::vector<Route> routes);

  struct Match {
    const Route* route = nullptr;  // nullptr: `refusal` is the answer
    Request::Pairs parameters = {};
    Response refusal = {};  // 404, 405 with Allow, or 400
  };
  // `raw_path`: as it came, without query. Segments are decoded one by one, so "%2F" does not separate.
  Match Find(std::string_view method, std::string_view raw_path) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;
  };
  std::vector<Entry> entries_;
};

}  // namespace runledger::exporters
