// Prints the ticks of cron expressions, for cron_peer_test.py. Lines of standard input:
//
//   FROM TO ZONE EXPRESSION     seconds since the epoch, [FROM, TO); the expression has blanks
//
// and one line for each on standard output: the ticks in seconds, or "error: ...".
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>

#include "aggregators/schedule/cron_expression.h"
#include "aggregators/schedule/time_zone.h"

int main() {
  using runledger::aggregators::CronExpression;
  using runledger::aggregators::TimeZone;
  constexpr int64_t kSecondUs = 1'000'000;
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    int64_t from = 0;
    int64_t to = 0;
    std::string zone_name;
    std::string text;
    words >> from >> to >> zone_name >> std::ws;
    std::getline(words, text);
    const auto zone = TimeZone::Load(zone_name);
    const auto expression = CronExpression::Parse(text);
    if (!zone.ok() || !expression.ok()) {
      std::cout << "error: " << (zone.ok() ? expression.status() : zone.status()).message() << "\n";
      continue;
    }
    const char* blank = "";
    expression->ForEachTick(from * kSecondUs, to * kSecondUs, *zone, [&](int64_t tick) {
      std::cout << blank << tick / kSecondUs;
      blank = " ";
      return true;
    });
    std::cout << "\n";
  }
  return 0;
}
