// The fake BigQuery as a program, for tests of the whole program: gRPC and REST at ports of their own, and what the
// test wants to know and to break, over HTTP. Prints its two ports. Ends with its standard input.
//
//   POST /faults   JSON, names as in BigQueryFaults; those that are not named are as usual
//   POST /stop, /start, /expire, /recreate (the table, empty)
//   GET  /rows     one line a row: topic, partition, offset, index, epoch, event id, refused, stream; tabs between
//   GET  /stats    JSON

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "exporters/http/http_server.h"
#include "fakes/bigquery/fake_bigquery.h"

namespace runledger::fakes {
namespace {

using exporters::Request;
using exporters::Response;
using nlohmann::json;

BigQueryFaults FaultsOf(const json& j) {
  BigQueryFaults f;
  const auto take = [&](const char* name, auto* value) {
    if (j.contains(name)) *value = j[name].get<std::remove_pointer_t<decltype(value)>>();
  };
  take("lost_ack", &f.lost_ack);
  take("lost_request", &f.lost_request);
  take("internal", &f.internal);
  take("internal_lie", &f.internal_lie);
  take("aborted", &f.aborted);
  take("throttled", &f.throttled);
  take("drain", &f.drain);
  take("restart", &f.restart);
  take("slow", &f.slow);
  take("slow_ms", &f.slow_ms);
  take("hangs", &f.hangs);
  take("unary", &f.unary);
  take("idle_ms", &f.idle_ms);
  take("bad_text", &f.bad_text);
  take("row_errors", &f.row_errors);
  take("request_limit", &f.request_limit);
  take("extra_fields", &f.extra_fields);
  take("permission", &f.permission);
  take("down", &f.down);
  take("table_missing", &f.table_missing);
  take("missing_columns", &f.missing_columns);
  take("other_types", &f.other_types);
  return f;
}

int Run(bool keep_rows) {
  FakeBigQuery fake({.keep_rows = keep_rows});
  fake.Start();
  const auto done = [] { return Response{.content_type = "application/json", .body = "{}"}; };
  std::vector<exporters::Route> routes;
  routes.push_back({"POST", "/bigquery/v2/projects/{project}/queries", [&](const Request& request) {
                      const auto [status, body] = fake.Query(request.body);
                      return Response{.status = status, .content_type = "application/json", .body = body};
                    }});
  routes.push_back({"GET", "/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}", [&](const Request&) {
                      const auto [status, body] = fake.Table();
                      return Response{.status = status, .content_type = "application/json", .body = body};
                    }});
  routes.push_back({"POST", "/faults", [&](const Request& request) {
                      fake.SetFaults(FaultsOf(json::parse(request.body)));
                      return done();
                    }});
  routes.push_back({"POST", "/stop", [&](const Request&) { return fake.Stop(), done(); }});
  routes.push_back({"POST", "/start", [&](const Request&) { return fake.Start(), done(); }});
  routes.push_back({"POST", "/expire", [&](const Request&) { return fake.ExpireStreams(), done(); }});
  routes.push_back({"POST", "/recreate", [&](const Request&) { return fake.RecreateTable(), done(); }});
  routes.push_back({"GET", "/rows", [&](const Request&) {
                      std::string body;
                      for (const FakeBigQuery::Row& row : fake.rows()) {
                        for (const std::string& text :
                             {row.topic, std::to_string(row.partition), std::to_string(row.offset),
                              std::to_string(row.batch_index), std::to_string(row.log_epoch), row.event_id,
                              std::string(row.refused.empty() ? "0" : "1"), row.stream})
                          body += text + "\t";
                        body.back() = '\n';
                      }
                      return Response{.body = std::move(body)};
                    }});
  routes.push_back({"GET", "/stats", [&](const Request&) {
                      json errors = json::object();
                      for (const auto& [code, count] : fake.errors()) errors[std::to_string(code)] = count;
                      const json stats = {{"rows", fake.row_count()},
                                          {"calls", fake.calls()},
                                          {"errors", errors},
                                          {"streams", fake.streams().size()},
                                          {"violations", fake.violations()}};
                      return Response{.content_type = "application/json", .body = stats.dump()};
                    }});
  exporters::HttpOptions options;
  options.listen = "127.0.0.1:0";
  auto server = exporters::HttpServer::Start(std::move(options), std::move(routes));
  if (!server.ok()) return std::fprintf(stderr, "%s\n", server.status().ToString().c_str()), 1;
  std::printf("%d %d\n", fake.port(), (*server)->port());
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  return 0;
}

}  // namespace
}  // namespace runledger::fakes

int main(int argc, char** argv) { return runledger::fakes::Run(!(argc > 1 && std::string(argv[1]) == "--count-only")); }
