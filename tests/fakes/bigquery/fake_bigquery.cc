#include "fakes/bigquery/fake_bigquery.h"

#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "codecs/column_check.h"
#include "codecs/events_table.h"
#include "codecs/wire.h"
#include "google/cloud/bigquery/storage/v1/storage.grpc.pb.h"

namespace runledger::fakes {
namespace {

namespace bq = google::cloud::bigquery::storage::v1;
using codecs::Column;
using codecs::ColumnType;
using google::protobuf::FieldDescriptorProto;
using grpc::StatusCode;
using nlohmann::json;

constexpr char kDraining[] = "the connection is draining";
constexpr char kRestarted[] =
    "Closing the stream because server is restarted. This is expected and client is advised to reconnect.";

bq::TableFieldSchema::Type SchemaType(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
      return bq::TableFieldSchema::STRING;
    case ColumnType::kInt64:
      return bq::TableFieldSchema::INT64;
    case ColumnType::kFloat64:
      return bq::TableFieldSchema::DOUBLE;
    case ColumnType::kBool:
      return bq::TableFieldSchema::BOOL;
    case ColumnType::kTimestamp:
      return bq::TableFieldSchema::TIMESTAMP;
    case ColumnType::kDate:
      return bq::TableFieldSchema::DATE;
    case ColumnType::kJson:
      return bq::TableFieldSchema::JSON;
  }
  return bq::TableFieldSchema::TYPE_UNSPECIFIED;
}

// A column as the table is said to have it; nothing: it is said to lack it.
std::optional<ColumnType> TypeInTable(const Column& column, const BigQueryFaults& faults) {
  const std::string name(column.name);
  if (std::count(faults.missing_columns.begin(), faults.missing_columns.end(), name) > 0) return std::nullopt;
  const auto other = faults.other_types.find(name);
  if (other == faults.other_types.end()) return column.type;
  for (const Column& any : codecs::EventColumns()) {
    if (codecs::ColumnTypeName(any.type) == other->second) return any.type;
  }
  std::abort();
}

bq::TableSchema Schema(const BigQueryFaults& faults) {
  bq::TableSchema schema;
  for (const Column& column : codecs::EventColumns()) {
    const std::optional<ColumnType> type = TypeInTable(column, faults);
    if (!type) continue;
    bq::TableFieldSchema* field = schema.add_fields();
    field->set_name(std::string(column.name));
    field->set_type(SchemaType(*type));
    field->set_mode(column.required ? bq::TableFieldSchema::REQUIRED : bq::TableFieldSchema::NULLABLE);
  }
  return schema;
}

// A type of rows as a client described it: by field number, the column.
struct RowType {
  std::map<uint32_t, const Column*> columns;
  std::string problem;  // why it cannot be used, if it cannot
};

bool TypeFits(FieldDescriptorProto::Type type, ColumnType column) {
  switch (column) {
    case ColumnType::kString:
    case ColumnType::kJson:
      return type == FieldDescriptorProto::TYPE_STRING;
    case ColumnType::kInt64:
    case ColumnType::kTimestamp:
      return type == FieldDescriptorProto::TYPE_INT64;
    case ColumnType::kDate:
      return type == FieldDescriptorProto::TYPE_INT32 || type == FieldDescriptorProto::TYPE_STRING;
    case ColumnType::kFloat64:
      return type == FieldDescriptorProto::TYPE_DOUBLE;
    case ColumnType::kBool:
      return type == FieldDescriptorProto::TYPE_BOOL;
  }
  return false;
}

RowType Understand(const google::protobuf::DescriptorProto& descriptor) {
  RowType type;
  for (const FieldDescriptorProto& field : descriptor.field()) {
    const auto index = codecs::FindEventColumn(field.name());
    if (!index) {
      type.problem = "Input schema has more fields than BigQuery schema, extra fields: '" + field.name() + "'";
      return type;
    }
    const Column& column = codecs::EventColumns()[*index];
    if (!TypeFits(field.type(), column.type)) {
      type.problem = "The field could not be converted: " + field.name();
      return type;
    }
    type.columns[static_cast<uint32_t>(field.number())] = &column;
  }
  return type;
}

// Reads one row; a text says what is bad in it.
std::string ReadRow(const RowType& type, const std::string& wire, const std::string& bad_text,
                    const std::set<std::string>& keep, FakeBigQuery::Row* row) {
  std::set<std::string_view> found;
  codecs::WireReader reader(wire);
  while (reader.Next()) {
    const auto at = type.columns.find(reader.field());
    if (at == type.columns.end()) return "unknown field number " + std::to_string(reader.field());
    const Column& column = *at->second;
    const std::string name(column.name);
    found.insert(column.name);
    const char* wrong = nullptr;
    switch (column.type) {
      case ColumnType::kString:
      case ColumnType::kJson:
        if (reader.type() != codecs::WireType::kBytes) return "Field " + name + " has another wire type";
        wrong = codecs::CheckText(column, reader.bytes());
        break;
      case ColumnType::kFloat64:
        if (reader.type() != codecs::WireType::kFixed64) return "Field " + name + " has another wire type";
        break;
      case ColumnType::kTimestamp:
        wrong = codecs::CheckTimestamp(reader.int64());
        break;
      case ColumnType::kDate:
        wrong = codecs::CheckDate(reader.int64());
        break;
      default:
        if (reader.type() != codecs::WireType::kVarint) return "Field " + name + " has another wire type";
    }
    // A `refused` column is the house's own text.
    if (wrong != nullptr && name != "refused") return "Field " + name + ": " + wrong + " on field " + name + ".";
    const auto text = [&] { return std::string(reader.bytes()); };
    if (keep.contains(name)) {
      const bool bytes = reader.type() == codecs::WireType::kBytes;
      row->values[name] = bytes ? text() : std::to_string(reader.int64());
    }
    if (name == "topic") row->topic = text();
    if (name == "partition") row->partition = reader.int64();
    if (name == "offset") row->offset = reader.int64();
    if (name == "batch_index") row->batch_index = reader.int64();
    if (name == "log_epoch") row->log_epoch = reader.int64();
    if (name == "event_id") row->event_id = text();
    if (name == "job_name") row->job_name = text();
    if (name == "refused") row->refused = text();
    if (!bad_text.empty() && name == "error_message" && reader.bytes().find(bad_text) != std::string_view::npos)
      return "Field error_message: refused by the test on field error_message.";
  }
  if (!reader.ok()) return std::string("not a protobuf message: ") + reader.error();
  for (const Column& column : codecs::EventColumns()) {
    if (column.required && !found.contains(column.name))
      return "Required field " + std::string(column.name) + " is missing";
  }
  return "";
}

void Fail(bq::AppendRowsResponse* response, StatusCode code, const std::string& message,
          bq::StorageError::StorageErrorCode detail = bq::StorageError::STORAGE_ERROR_CODE_UNSPECIFIED) {
  response->mutable_error()->set_code(static_cast<int>(code));
  response->mutable_error()->set_message(message);
  if (detail == bq::StorageError::STORAGE_ERROR_CODE_UNSPECIFIED) return;
  bq::StorageError error;
  error.set_code(detail);
  error.set_error_message(message);
  response->mutable_error()->add_details()->PackFrom(error);
}

grpc::Status EndWith(StatusCode code, const std::string& message,
                     bq::StorageError::StorageErrorCode detail = bq::StorageError::STORAGE_ERROR_CODE_UNSPECIFIED) {
  google::rpc::Status details;
  bq::AppendRowsResponse response;
  Fail(&response, code, message, detail);
  return {code, message, response.error().SerializeAsString()};
}

}  // namespace

class FakeBigQuery::Service : public bq::BigQueryWrite::Service {
 public:
  explicit Service(FakeBigQuery* fake) : fake_(*fake) {}

  grpc::Status CreateWriteStream(grpc::ServerContext* context, const bq::CreateWriteStreamRequest* request,
                                 bq::WriteStream* stream) override {
    if (grpc::Status status = Admit(context, "CreateWriteStream", "parent=" + request->parent()); !status.ok())
      return status;
    const std::lock_guard lock(fake_.mutex_);
    if (request->parent() != fake_.options_.table || fake_.faults_.table_missing)
      return EndWith(StatusCode::NOT_FOUND, "Requested entity was not found. Entity: " + request->parent(),
                     bq::StorageError::TABLE_NOT_FOUND);
    if (request->write_stream().type() != bq::WriteStream::COMMITTED)
      fake_.violations_.insert("a stream that is not COMMITTED");
    const bool fails = fake_.Chance(fake_.faults_.unary);
    if (fails && fake_.Chance(0.5)) return {StatusCode::UNAVAILABLE, "try again"};
    stream->set_name(request->parent() + "/streams/s" + std::to_string(++fake_.created_));
    stream->set_type(bq::WriteStream::COMMITTED);
    *stream->mutable_table_schema() = Schema(fake_.faults_);
    fake_.streams_[stream->name()];
    return fails ? grpc::Status(StatusCode::UNAVAILABLE, "try again") : grpc::Status::OK;
  }

  grpc::Status FinalizeWriteStream(grpc::ServerContext* context, const bq::FinalizeWriteStreamRequest* request,
                                   bq::FinalizeWriteStreamResponse* response) override {
    if (grpc::Status status = Admit(context, "FinalizeWriteStream", "name=" + request->name()); !status.ok())
      return status;
    const std::lock_guard lock(fake_.mutex_);
    const auto at = fake_.streams_.find(request->name());
    if (at == fake_.streams_.end() || fake_.faults_.table_missing)
      return EndWith(StatusCode::NOT_FOUND, "Requested entity was not found. Entity: " + request->name(),
                     bq::StorageError::STREAM_NOT_FOUND);
    const bool fails = fake_.Chance(fake_.faults_.unary);
    if (fails && fake_.Chance(0.5)) return {StatusCode::UNAVAILABLE, "try again"};
    at->second.finalised = true;
    response->set_row_count(at->second.rows);
    return fails ? grpc::Status(StatusCode::UNAVAILABLE, "try again") : grpc::Status::OK;
  }

  grpc::Status AppendRows(grpc::ServerContext* context,
                          grpc::ServerReaderWriter<bq::AppendRowsResponse, bq::AppendRowsRequest>* wire) override;

 private:
  struct Connection {
    std::string stream;
    RowType type;
    bool first = true;
  };

  // Refuses what no method serves: no routing header, no credentials.
  grpc::Status Admit(grpc::ServerContext* context, const std::string& method, const std::string& routing) {
    const std::lock_guard lock(fake_.mutex_);
    ++fake_.calls_[method];
    if (fake_.options_.authorise) {
      const auto at = context->client_metadata().find("authorization");
      const std::string value =
          at == context->client_metadata().end() ? "" : std::string(at->second.data(), at->second.size());
      if (const std::string refusal = fake_.options_.authorise(value); !refusal.empty())
        return {StatusCode::UNAUTHENTICATED, "Request had invalid authentication credentials: " + refusal};
    }
    const auto header = context->client_metadata().find("x-goog-request-params");
    if (header == context->client_metadata().end() ||
        (!routing.empty() && std::string(header->second.data(), header->second.size()) != routing)) {
      fake_.violations_.insert(method + " without its routing header");
      return {StatusCode::INVALID_ARGUMENT, "Cannot route on empty project id"};
    }
    if (fake_.faults_.down) return {StatusCode::UNAVAILABLE, "the service is not there"};
    if (fake_.faults_.permission)
      return {StatusCode::PERMISSION_DENIED, "Permission 'TABLES_UPDATE_DATA' denied on resource '" +
                                                 fake_.options_.table + "' (or it may not exist)."};
    return grpc::Status::OK;
  }

  // Judges and appends. `end`: the connection ends with it, behind the response or, if `silent`, without.
  void Append(Connection* connection, const bq::AppendRowsRequest& request, bq::AppendRowsResponse* response,
              std::optional<grpc::Status>* end, bool* silent);

  FakeBigQuery& fake_;
};

void FakeBigQuery::Service::Append(Connection* connection, const bq::AppendRowsRequest& request,
                                   bq::AppendRowsResponse* response, std::optional<grpc::Status>* end, bool* silent) {
  const std::lock_guard lock(fake_.mutex_);
  const BigQueryFaults& faults = fake_.faults_;
  ++fake_.calls_["AppendRows.requests"];
  const auto finish = [&](StatusCode code, const std::string& message,
                          bq::StorageError::StorageErrorCode detail =
                              bq::StorageError::STORAGE_ERROR_CODE_UNSPECIFIED) {
    *end = EndWith(code, message, detail);
    *silent = true;
  };
  const auto fail = [&](StatusCode code, const std::string& message,
                        bq::StorageError::StorageErrorCode detail = bq::StorageError::STORAGE_ERROR_CODE_UNSPECIFIED) {
    ++fake_.errors_[static_cast<int>(code)];
    Fail(response, code, message, detail);
  };
  if (faults.down) return finish(StatusCode::UNAVAILABLE, "the service is not there");
  if (fake_.Chance(faults.lost_request)) return finish(StatusCode::UNAVAILABLE, "Socket closed");
  const auto at = fake_.streams_.find(request.write_stream());
  if (faults.table_missing)
    return finish(StatusCode::NOT_FOUND, "Requested entity was not found. Entity: " + fake_.options_.table,
                  bq::StorageError::TABLE_NOT_FOUND);
  if (at == fake_.streams_.end())
    return finish(StatusCode::NOT_FOUND, "Requested entity was not found. Entity: " + request.write_stream(),
                  bq::StorageError::STREAM_NOT_FOUND);
  if (connection->first) {
    connection->first = false;
    connection->stream = request.write_stream();
    if (!request.proto_rows().has_writer_schema()) {
      fake_.violations_.insert("a first request without the rows' type");
      return finish(StatusCode::INVALID_ARGUMENT, "The first request has no schema");
    }
    connection->type = Understand(request.proto_rows().writer_schema().proto_descriptor());
  } else if (connection->stream != request.write_stream()) {
    fake_.violations_.insert("one connection for two streams");
  }
  if (faults.extra_fields)
    return finish(StatusCode::INVALID_ARGUMENT,
                  "Input schema has more fields than BigQuery schema, extra fields: 'explained_by'",
                  bq::StorageError::SCHEMA_MISMATCH_EXTRA_FIELDS);
  if (!connection->type.problem.empty())
    return finish(StatusCode::INVALID_ARGUMENT, connection->type.problem,
                  bq::StorageError::SCHEMA_MISMATCH_EXTRA_FIELDS);
  if (!request.has_offset()) fake_.violations_.insert("a request without an offset");
  if (static_cast<int64_t>(request.ByteSizeLong()) > faults.request_limit)
    return fail(StatusCode::INVALID_ARGUMENT,
                "AppendRows request too large: " + std::to_string(request.ByteSizeLong()) + " limit " +
                    std::to_string(faults.request_limit));
  Stream& stream = at->second;
  if (stream.finalised)
    return fail(StatusCode::FAILED_PRECONDITION, "Stream is finalized", bq::StorageError::STREAM_FINALIZED);
  if (fake_.Chance(faults.throttled))
    return fail(StatusCode::RESOURCE_EXHAUSTED, "Exceeds 'AppendRows throughput' quota");
  if (fake_.Chance(faults.internal)) return fail(StatusCode::INTERNAL, "An internal error occurred");
  if (fake_.Chance(faults.aborted)) return fail(StatusCode::ABORTED, "The request was aborted");
  const int64_t offset = request.offset().value();
  if (offset < stream.rows)
    return fail(StatusCode::ALREADY_EXISTS,
                "The offset is within stream, expected offset " + std::to_string(stream.rows) + ", received " +
                    std::to_string(offset),
                bq::StorageError::OFFSET_ALREADY_EXISTS);
  if (offset > stream.rows)
    return fail(StatusCode::OUT_OF_RANGE,
                "The offset is beyond stream, expected offset " + std::to_string(stream.rows) + ", received " +
                    std::to_string(offset),
                bq::StorageError::OFFSET_OUT_OF_RANGE);
  const bq::ProtoRows& rows = request.proto_rows().rows();
  if (fake_.options_.keep_rows) {
    std::vector<Row> read;
    int64_t bad = 0;
    for (int i = 0; i < rows.serialized_rows_size(); ++i) {
      Row row;
      const std::string wrong =
          ReadRow(connection->type, rows.serialized_rows(i), faults.bad_text, fake_.options_.keep_columns, &row);
      row.stream = connection->stream;
      read.push_back(std::move(row));
      if (wrong.empty()) continue;
      ++bad;
      if (faults.row_errors >= 0 && response->row_errors_size() >= faults.row_errors) continue;
      bq::RowError* error = response->add_row_errors();
      error->set_index(i);
      error->set_code(bq::RowError::FIELDS_ERROR);
      error->set_message(wrong);
    }
    if (bad > 0)
      return fail(StatusCode::INVALID_ARGUMENT,
                  "Errors found while processing rows. Please refer to the row_errors field for details. The list may "
                  "not be complete because of the size limitations.");
    std::move(read.begin(), read.end(), std::back_inserter(fake_.rows_));
  }
  stream.rows += rows.serialized_rows_size();
  fake_.row_count_ += rows.serialized_rows_size();
  if (fake_.Chance(faults.lost_ack)) return finish(StatusCode::UNAVAILABLE, "Socket closed");
  if (fake_.Chance(faults.internal_lie)) return fail(StatusCode::INTERNAL, "An internal error occurred");
  response->mutable_append_result()->mutable_offset()->set_value(offset);
  response->set_write_stream(connection->stream);
  if (!faults.missing_columns.empty() || !faults.other_types.empty())
    *response->mutable_updated_schema() = Schema(faults);
  if (fake_.Chance(faults.drain)) *end = EndWith(StatusCode::UNAVAILABLE, kDraining);
  if (fake_.Chance(faults.restart)) *end = EndWith(StatusCode::ABORTED, kRestarted);
}

grpc::Status FakeBigQuery::Service::AppendRows(
    grpc::ServerContext* context, grpc::ServerReaderWriter<bq::AppendRowsResponse, bq::AppendRowsRequest>* wire) {
  if (grpc::Status status = Admit(context, "AppendRows", ""); !status.ok()) return status;
  const auto header = context->client_metadata().find("x-goog-request-params");
  const std::string routing(header->second.data(), header->second.size());
  {
    const std::lock_guard lock(fake_.mutex_);
    ++fake_.calls_["AppendRows.connections"];
  }
  Connection connection;
  // What ends an idle connection: a thread of its own, as reading blocks.
  std::mutex idle_mutex;
  std::condition_variable idle_changed;
  bool done = false;
  bool idle = false;
  int64_t requests = 0;
  const int64_t idle_ms = fake_.faults().idle_ms;
  std::thread watch;
  if (idle_ms > 0) {
    watch = std::thread([&] {
      std::unique_lock lock(idle_mutex);
      while (!done) {
        const int64_t seen = requests;
        if (idle_changed.wait_for(lock, std::chrono::milliseconds(idle_ms), [&] { return done || requests != seen; }))
          continue;
        idle = true;
        context->TryCancel();
        return;
      }
    });
  }
  bq::AppendRowsRequest request;
  std::optional<grpc::Status> end;
  bool hangs = false;
  while (!end && wire->Read(&request)) {
    hangs = hangs || fake_.faults().hangs;
    if (hangs) continue;
    {
      const std::lock_guard lock(idle_mutex);
      ++requests;
      idle_changed.notify_one();
    }
    if (connection.first && routing != "write_stream=" + request.write_stream()) {
      const std::lock_guard lock(fake_.mutex_);
      fake_.violations_.insert("AppendRows is routed to another stream");
    }
    bq::AppendRowsResponse response;
    bool silent = false;
    Append(&connection, request, &response, &end, &silent);
    if (silent) break;
    if (const BigQueryFaults faults = fake_.faults(); faults.slow_ms > 0) {
      bool slow;
      {
        const std::lock_guard lock(fake_.mutex_);
        slow = fake_.Chance(faults.slow);
      }
      if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(faults.slow_ms));
    }
    if (!wire->Write(response)) break;
  }
  if (watch.joinable()) {
    {
      const std::lock_guard lock(idle_mutex);
      done = true;
    }
    idle_changed.notify_one();
    watch.join();
  }
  if (idle) return EndWith(StatusCode::ABORTED, "Closing the stream because it has been inactive for 600 seconds");
  return end.value_or(grpc::Status::OK);
}

FakeBigQuery::FakeBigQuery(Options options) : options_(std::move(options)) {}
FakeBigQuery::~FakeBigQuery() { Stop(); }

void FakeBigQuery::Start() {
  service_ = std::make_unique<Service>(this);
  grpc::ServerBuilder builder;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!options_.certificate.empty()) {
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({options_.key, options_.certificate});
    credentials = grpc::SslServerCredentials(tls);
  }
  const std::string host = options_.address.substr(0, options_.address.rfind(':'));
  builder.AddListeningPort(port_ == 0 ? options_.address : host + ":" + std::to_string(port_), credentials, &port_);
  builder.SetMaxReceiveMessageSize(64 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
}

void FakeBigQuery::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

bool FakeBigQuery::Chance(double chance) {
  return chance > 0 && std::uniform_real_distribution<double>()(random_) < chance;
}

void FakeBigQuery::SetFaults(const BigQueryFaults& faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
  if (faults.table_missing) streams_.clear();
}

BigQueryFaults FakeBigQuery::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

std::vector<FakeBigQuery::Row> FakeBigQuery::rows() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

int64_t FakeBigQuery::row_count() const {
  const std::lock_guard lock(mutex_);
  return row_count_;
}

std::vector<std::string> FakeBigQuery::streams() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, stream] : streams_) names.push_back(name);
  return names;
}

int64_t FakeBigQuery::rows_of(const std::string& stream) const {
  const std::lock_guard lock(mutex_);
  const auto at = streams_.find(stream);
  return at == streams_.end() ? -1 : at->second.rows;
}

void FakeBigQuery::ExpireStreams() {
  const std::lock_guard lock(mutex_);
  streams_.clear();
}

void FakeBigQuery::RecreateTable() {
  const std::lock_guard lock(mutex_);
  streams_.clear();
  rows_.clear();
  row_count_ = 0;
}

std::map<std::string, int64_t> FakeBigQuery::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::map<int, int64_t> FakeBigQuery::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_;
}

std::vector<std::string> FakeBigQuery::violations() const {
  const std::lock_guard lock(mutex_);
  return {violations_.begin(), violations_.end()};
}

std::pair<int, std::string> FakeBigQuery::Table() const {
  const std::lock_guard lock(mutex_);
  if (faults_.down) return {503, "{}"};
  if (faults_.permission) return {403, R"({"error": {"code": 403, "message": "Access Denied"}})"};
  if (faults_.table_missing) return {404, R"({"error": {"code": 404, "message": "Not found: Table events"}})"};
  json fields = json::array();
  for (const Column& column : codecs::EventColumns()) {
    const std::optional<ColumnType> type = TypeInTable(column, faults_);
    if (!type) continue;
    fields.push_back({{"name", std::string(column.name)},
                      {"type", std::string(codecs::ColumnTypeName(*type))},
                      {"mode", column.required ? "REQUIRED" : "NULLABLE"}});
  }
  const codecs::TableLayout& layout = codecs::EventsLayout();
  json clustering = json::array();
  for (const std::string_view column : layout.clustering) clustering.push_back(std::string(column));
  const json table = {{"type", "TABLE"},
                      {"schema", {{"fields", fields}}},
                      {"timePartitioning", {{"type", "DAY"}, {"field", std::string(layout.partition_column)}}},
                      {"clustering", {{"fields", clustering}}}};
  return {200, table.dump()};
}

std::pair<int, std::string> FakeBigQuery::Query(const std::string& body) const {
  const json question = json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto error = [](int status, const std::string& message) {
    return std::pair(status, json{{"error", {{"code", status}, {"message", message}}}}.dump());
  };
  if (!question.is_object()) return error(400, "the request is not JSON");
  std::map<std::string, std::string> parameters;
  for (const json& parameter : question.value("queryParameters", json::array()))
    parameters[parameter.at("name").get<std::string>()] = parameter.at("parameterValue").at("value").get<std::string>();
  for (const char* name : {"topic", "partition", "epoch", "offset", "index"}) {
    if (!parameters.contains(name)) return error(400, std::string("no parameter ") + name);
  }
  const auto number = [&](const char* name) { return std::stoll(parameters.at(name)); };
  const std::lock_guard lock(mutex_);
  if (faults_.down) return error(503, "the service is not there");
  if (faults_.permission) return error(403, "Access Denied");
  if (faults_.table_missing) return error(404, "Not found: Table events");
  std::optional<std::pair<int64_t, int64_t>> last;
  const std::pair<int64_t, int64_t> from{number("offset"), number("index")};
  for (const Row& row : rows_) {
    if (row.topic != parameters["topic"] || row.partition != number("partition") || row.log_epoch != number("epoch"))
      continue;
    const std::pair<int64_t, int64_t> place{row.offset, row.batch_index};
    if (place >= from && (!last || place > *last)) last = place;
  }
  json answer = {{"jobComplete", true}, {"jobReference", {{"jobId", "job"}}}, {"rows", json::array()}};
  if (last) {
    answer["rows"].push_back(
        {{"f", json::array({json{{"v", std::to_string(last->first)}}, json{{"v", std::to_string(last->second)}}})}});
  }
  return {200, answer.dump()};
}

}  // namespace runledger::fakes
