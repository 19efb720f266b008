#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace grpc {
class Server;
}

namespace runledger::fakes {

// What goes wrong in the fake service. Chances are of a request, 0 to 1; texts are the service's own where they are
// known. Everything else is strict: offsets, types, required columns, lengths of requests, the routing header.
struct BigQueryFaults {
  double lost_ack = 0;      // the rows are appended, and the connection ends instead of an answer
  double lost_request = 0;  // the connection ends before the rows are appended
  double internal = 0;      // an answer INTERNAL, nothing is appended
  double internal_lie = 0;  // an answer INTERNAL, though the rows are appended
  double aborted = 0;       // an answer ABORTED, nothing is appended
  double throttled = 0;     // an answer RESOURCE_EXHAUSTED, nothing is appended
  double drain = 0;         // the connection ends with "the connection is draining" behind an answer
  double restart = 0;       // it ends with "the server is restarted" behind an answer
  double slow = 0;          // the answer takes slow_ms
  int64_t slow_ms = 0;
  bool hangs = false;   // a connection that sends something now is never answered again, and nothing is appended
  double unary = 0;     // CreateWriteStream and FinalizeWriteStream: UNAVAILABLE, half of them after they were done
  int64_t idle_ms = 0;  // a connection that is idle for so long ends; 0: never
  // Rows whose error_message or job_name contains this text are bad; empty: none.
  std::string bad_text;
  int64_t row_errors = -1;  // the list of them has at most so many; -1: all; 0: bad rows are not named
  int64_t request_limit = int64_t{10} << 20;
  bool extra_fields = false;   // the table lacks a column that the rows have
  bool permission = false;     // PERMISSION_DENIED to everything
  bool down = false;           // UNAVAILABLE to everything
  bool table_missing = false;  // the table is gone, and its streams with it
  // The table is said to lack these, or to have them with another type ("INT64"): in updated_schema, table_schema and
  // tables.get.
  std::vector<std::string> missing_columns;
  std::map<std::string, std::string> other_types;
};

// BigQuery's Storage Write API for one table, in memory, with COMMITTED streams as the service has them, and the one
// query of REST that asks where a partition's last row stands. Any thread.
class FakeBigQuery {
 public:
  struct Options {
    std::string address = "127.0.0.1:0";
    std::string table = "projects/test-project/datasets/runledger/tables/events";
    // TLS: PEM texts; empty: none.
    std::string certificate;
    std::string key;
    // Called with the value of `authorization` of each call, empty if there is none. A text refuses it.
    std::function<std::string(const std::string&)> authorise;
    bool keep_rows = true;               // false: they are counted only
    std::set<std::string> keep_columns;  // rows are kept with their values of these
  };
  explicit FakeBigQuery(Options options);
  ~FakeBigQuery();

  // Starts, or starts again at the same port with everything that it holds.
  void Start();
  // Ends all connections, as a server that dies.
  void Stop();
  int port() const { return port_; }
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }

  void SetFaults(const BigQueryFaults& faults);
  BigQueryFaults faults() const;

  // One row, in the order in which rows were appended.
  struct Row {
    std::string topic;
    int64_t partition = 0;
    int64_t offset = 0;
    int64_t batch_index = 0;
    int64_t log_epoch = 0;
    std::string event_id;
    std::string job_name;
    std::string refused;
    std::string stream;
    // Of keep_columns those that are not NULL: text, or a number as text.
    std::map<std::string, std::string> values;
  };
  std::vector<Row> rows() const;
  int64_t row_count() const;
  std::vector<std::string> streams() const;
  // Of a stream.
  int64_t rows_of(const std::string& stream) const;
  // Forgets streams as after days without traffic; rows stay.
  void ExpireStreams();
  // The table is deleted and made anew: rows and streams are gone.
  void RecreateTable();
  // What was asked for, by the name of the method; "AppendRows.connections" and "AppendRows.requests" of it.
  std::map<std::string, int64_t> calls() const;
  // Of the requests answered with an error in the stream, by code.
  std::map<int, int64_t> errors() const;
  // Problems that a correct client does not cause: they fail a test.
  std::vector<std::string> violations() const;

  // The answer of REST's tables.get: (HTTP status, JSON).
  std::pair<int, std::string> Table() const;
  // The answer of REST's jobs.query to a request's body: (HTTP status, JSON).
  std::pair<int, std::string> Query(const std::string& body) const;

 private:
  class Service;
  friend class Service;
  struct Stream {
    int64_t rows = 0;
    bool finalised = false;
    bool connected = false;
  };

  bool Chance(double chance);

  const Options options_;
  int port_ = 0;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;

  mutable std::mutex mutex_;  // over all below
  BigQueryFaults faults_;
  std::map<std::string, Stream> streams_;
  std::vector<Row> rows_;
  int64_t row_count_ = 0;
  int64_t created_ = 0;
  std::map<std::string, int64_t> calls_;
  std::map<int, int64_t> errors_;
  std::set<std::string> violations_;
  std::mt19937_64 random_{20260112};
};

}  // namespace runledger::fakes
