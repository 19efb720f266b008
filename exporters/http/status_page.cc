#include "exporters/http/status_page.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "exporters/http/job_answers.h"

namespace runledger::exporters {
namespace {

using aggregators::kNever;

constexpr size_t kMaxJobs = 1000;  // more than anybody reads; browsers grow slow on more
constexpr size_t kDayWindow = 1;
static_assert(aggregators::kWindowNames[kDayWindow] == "24h");

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --bad: #b3261e; --good: #1b6e3c; }
@media (prefers-color-scheme: dark) { :root { --quiet: #999; --bad: #ff8a80; --good: #7fd39a; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; } .quiet { color: var(--quiet); } .bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; }
ul { margin: .3rem 0; padding-left: 1.2rem; } footer { margin: 2.5rem 0 1rem; }
)";

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// A job's name as one segment of a path.
std::string PathSegment(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
        c == '~') {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

std::string Time(int64_t microseconds) {
  if (microseconds == kNever) return "<span class=\"quiet\">none</span>";
  const std::string whole = codecs::FormatRfc3339(microseconds - ((microseconds % 1'000'000) + 1'000'000) % 1'000'000);
  std::string shown = whole;
  std::replace(shown.begin(), shown.end(), 'T', ' ');
  return absl::StrCat("<time datetime=\"", whole, "\">", shown, "</time>");
}

std::string Cell(const std::string& content) { return absl::StrCat("<td>", content, "</td>"); }
std::string NumberCell(const std::string& content) { return absl::StrCat("<td class=\"n\">", content, "</td>"); }

// A count that is good news when it is 0.
std::string BadCount(bool known, uint64_t count) {
  if (!known) return "<span class=\"quiet\">unknown</span>";
  return count == 0 ? "0" : absl::StrCat("<span class=\"bad\">", count, "</span>");
}

// Running runs that are stale, silent or over their time.
std::string Verdicts(const JobAnswer& job) {
  if (!job.judged()) return BadCount(false, 0);
  const auto& block = job.block;
  std::string text = BadCount(true, block.stale);
  if (block.silent > 0) absl::StrAppend(&text, ", <span class=\"bad\">", block.silent, " silent</span>");
  if (block.timed_out > 0) absl::StrAppend(&text, ", <span class=\"bad\">", block.timed_out, " over time</span>");
  if (job.as_of.caught_up()) return text;
  return "<span class=\"quiet\">unknown; was</span> " + text;
}

std::string Ratio(const JobAnswer& job) {
  if (!job.judged()) return "<span class=\"quiet\">unknown</span>";
  const aggregators::Outcomes& outcomes = job.block.windows[kDayWindow];
  if (outcomes.all == 0) return "<span class=\"quiet\">no runs</span>";
  // Rounded down: 100 % is all of them.
  return absl::StrCat(outcomes.good * uint64_t{100} / outcomes.all, " %");
}

std::string JobRow(const JobAnswer& job) {
  const auto& block = job.block;
  std::string name =
      absl::StrCat("<a href=\"/api/v1/jobs/", PathSegment(job.names->name), "\">", Escape(job.names->name), "</a>");
  if (!job.names->display_name.empty())
    absl::StrAppend(&name, " <span class=\"quiet\">", Escape(job.names->display_name), "</span>");
  std::string success = Time(block.last_success_us);
  if (job.has_verdicts() && block.job_stale) success += " <span class=\"bad\">stale job</span>";
  return absl::StrCat("<tr>", Cell(name), Cell(Escape(job.names->phase)), NumberCell(absl::StrCat(block.running)),
                      NumberCell(Verdicts(job)), Cell(success),
                      NumberCell(BadCount(job.in_one_partition(), block.consecutive_failures)),
                      NumberCell(Ratio(job))) +
         "</tr>\n";
}

void AppendProblems(const std::vector<ingest::Problem>& problems, bool caught_up, std::string* page) {
  *page += "<h2>Problems</h2>\n";
  if (problems.empty()) {
    *page += caught_up ? "<p class=\"good\">None known.</p>\n"
                       : "<p class=\"quiet\">None known, but it has not caught up with the log.</p>\n";
    return;
  }
  *page += "<ul>\n";
  for (const ingest::Problem& problem : problems) {
    absl::StrAppend(page, "<li class=\"bad\">", Escape(problem.subject), ": ", Escape(problem.text), "</li>\n");
  }
  *page += "</ul>\n";
}

void AppendJobs(std::vector<JobAnswer> jobs, std::string* page) {
  std::stable_partition(jobs.begin(), jobs.end(), [](const JobAnswer& job) { return job.needs_attention(); });
  const auto troubled =
      std::count_if(jobs.begin(), jobs.end(), [](const JobAnswer& job) { return job.needs_attention(); });
  absl::StrAppend(page, "<h2>Jobs</h2>\n<p class=\"quiet\">", jobs.size(), " in all, ", troubled,
                  " need attention and stand first.</p>\n");
  *page +=
      "<div class=\"wide\"><table>\n<tr><th>Job</th><th>Phase</th><th class=\"n\">Running</th><th "
      "class=\"n\">Stale</th>"
      "<th>Last success (UTC)</th><th class=\"n\">Failures in a row</th><th class=\"n\">Success, 24 h</th></tr>\n";
  for (size_t i = 0; i < std::min(jobs.size(), kMaxJobs); ++i) *page += JobRow(jobs[i]);
  *page += "</table></div>\n";
  if (jobs.size() > kMaxJobs) {
    absl::StrAppend(page, "<p>", jobs.size() - kMaxJobs, " more: <a href=\"/api/v1/jobs\">/api/v1/jobs</a></p>\n");
  }
}

void AppendPartitions(const std::vector<PartitionAnswer>& partitions, std::string* page) {
  *page +=
      "<h2>Partitions</h2>\n<div class=\"wide\"><table>\n<tr><th>Partition</th><th class=\"n\">Applied</th><th "
      "class=\"n\">End</th>"
      "<th>Known until (UTC)</th><th>State</th></tr>\n";
  const auto offset = [](int64_t value) {
    return value < 0 ? "<span class=\"quiet\">unknown</span>" : absl::StrCat(value);
  };
  for (const PartitionAnswer& answer : partitions) {
    const aggregators::ShardPositions& positions = answer.positions;
    const std::string state = !positions.shown      ? absl::StrCat("<span class=\"bad\">restoring, ",
                                                                   positions.restore_remaining, " records to go</span>")
                              : positions.caught_up ? "<span class=\"good\">caught up</span>"
                                                    : "<span class=\"bad\">behind</span>";
    absl::StrAppend(page, "<tr>", Cell(Escape(ToString(answer.partition))),
                    NumberCell(offset(positions.applied_offset)), NumberCell(offset(positions.log_end_offset)),
                    Cell(Time(positions.watermark_us)), Cell(state), "</tr>\n");
  }
  *page += "</table></div>\n";
}

}  // namespace

Response StatusPage(const ingest::PartitionDirectory& directory, const std::string& version) {
  JobAnswers answers = CollectJobs(directory);
  std::string page = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n"
      "<title>runledger</title>\n<style>",
      std::string(kStyle), "</style>\n</head>\n<body>\n<h1>runledger</h1>\n");
  const int64_t watermark_us = answers.as_of.watermark_us();
  absl::StrAppend(
      &page, "<p>",
      watermark_us == kNever ? "Not every partition is known up to a time" : "As of " + Time(watermark_us), ", ",
      answers.as_of.caught_up()
          ? "<span class=\"good\">caught up with the log</span>."
          : "<span class=\"bad\">not caught up with the log</span>: where it is behind, verdicts are unknown.",
      "</p>\n");
  AppendProblems(directory.Problems(), answers.as_of.caught_up(), &page);
  AppendJobs(std::move(answers.jobs), &page);
  AppendPartitions(answers.partitions, &page);
  absl::StrAppend(
      &page, "<footer class=\"quiet\">runledger ", Escape(version),
      " · <a href=\"/metrics\">metrics</a> · <a href=\"/api/v1/jobs\">jobs</a> · <a href=\"/api/v1/runs\">runs</a>"
      " · <a href=\"/readyz\">readiness</a></footer>\n</body>\n</html>\n");
  return {.content_type = "text/html; charset=utf-8",
          .headers = {{"Cache-Control", "no-store"},
                      {"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"}},
          .body = std::move(page)};
}

}  // namespace runledger::exporters
