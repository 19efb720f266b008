#include "exporters/bigquery/grpc_stream_api.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "exporters/bigquery/storage_errors.h"
#include "exporters/bigquery/storage_schema.h"
#include "exporters/bigquery/table_tail.h"
#include "exporters/bigquery/text_file.h"
#include "google/cloud/bigquery/storage/v1/storage.grpc.pb.h"

namespace runledger::exporters {
namespace {

namespace bq = google::cloud::bigquery::storage::v1;
using grpc::ByteBuffer;

constexpr char kAppendRows[] = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows";
constexpr char kRouting[] = "x-goog-request-params";  // without it only the US multi-region can be written to
constexpr size_t kChannels = 4;                       // connections of the process; streams are spread over them
constexpr size_t kTailThreads = 4;
constexpr std::chrono::seconds kCallTimeout{60};

// Tokens for gRPC, which asks for one with each call on a thread of its own.
class TokenPlugin : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenPlugin(std::shared_ptr<TokenSource> tokens) : tokens_(std::move(tokens)) {}
  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    const absl::StatusOr<std::string> token = tokens_->Token(kStorageAudience);
    if (!token.ok())
      return {static_cast<grpc::StatusCode>(token.status().code()), std::string(token.status().message())};
    metadata->emplace("authorization", absl::StrCat("Bearer ", *token));
    return grpc::Status::OK;
  }

 private:
  const std::shared_ptr<TokenSource> tokens_;
};

// A slice of gRPC's over bytes that are shared, not copied.
grpc::Slice Share(const std::shared_ptr<const WireBuffer>& bytes) {
  using Holder = std::shared_ptr<const WireBuffer>;
  return grpc::Slice(
      const_cast<char*>(bytes->data()), bytes->size(), [](void* holder) { delete static_cast<Holder*>(holder); },
      new Holder(bytes));
}

AppendAnswer ToAnswer(const bq::AppendRowsResponse& response) {
  AppendAnswer answer;
  if (response.has_error()) answer.failure = FailureOf(response.error());
  if (response.append_result().has_offset()) answer.offset = response.append_result().offset().value();
  for (const bq::RowError& row : response.row_errors()) answer.bad_rows.push_back({row.index(), row.message()});
  if (!answer.bad_rows.empty() && answer.failure.ok())
    answer.failure.status = absl::InvalidArgumentError(answer.bad_rows.front().message);
  answer.table_changed = response.has_updated_schema();
  if (answer.table_changed) answer.table = CheckColumns(response.updated_schema());
  return answer;
}

// One AppendRows call. Shared by its owner and gRPC, which drops it when the call has ended.
class AppendCall : public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer>,
                   public std::enable_shared_from_this<AppendCall> {
 public:
  AppendCall(uint64_t connection, StorageClient::Run run) : connection_(connection), run_(std::move(run)) {}

  void Start(const std::shared_ptr<grpc::Channel>& channel, const std::string& stream) {
    context_.AddMetadata(kRouting, absl::StrCat("write_stream=", stream));
    grpc::GenericStub(channel).PrepareBidiStreamingCall(&context_, kAppendRows, grpc::StubOptions(), this);
    self_ = shared_from_this();
    AddHold();  // for writes that come from outside
    StartRead(&read_);
    StartCall();
  }

  void Send(const AppendRequest& request) {
    std::string head =
        AppendRequestHead(request.stream, request.offset, !std::exchange(typed_, true), request.rows->size());
    const grpc::Slice slices[] = {grpc::Slice(std::move(head)), Share(request.rows)};
    const std::lock_guard lock(mutex_);
    if (released_) return;  // it has ended, and that is on its way to the owner
    writes_.emplace_back(slices, 2);
    if (writes_.size() == 1) StartWrite(&writes_.front());
  }

  void Cancel() {
    cancelled_.store(true, std::memory_order_relaxed);  // what is on its way is dropped by its number all the same
    context_.TryCancel();
    Release();
  }

 private:
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writes_.pop_front();
    if (!ok) {
      writes_.clear();
      return;  // reading ends too
    }
    if (!writes_.empty() && !released_) StartWrite(&writes_.front());
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Release();
      return;
    }
    bq::AppendRowsResponse response;
    if (!grpc::SerializationTraits<bq::AppendRowsResponse>::Deserialize(&read_, &response).ok()) {
      context_.TryCancel();
      Release();
      return;
    }
    read_.Clear();
    Tell([connection = connection_, answer = ToAnswer(response)](StreamAnswers& answers) mutable {
      answers.OnAnswer(connection, std::move(answer));
    });
    StartRead(&read_);
  }

  void OnDone(const grpc::Status& status) override {
    Tell([connection = connection_, failure = FailureOf(status)](StreamAnswers& answers) {
      answers.OnDisconnected(connection, failure);
    });
    self_.reset();
  }

  void Tell(std::function<void(StreamAnswers&)> what) {
    if (!cancelled_.load(std::memory_order_relaxed)) run_(std::move(what));
  }

  void Release() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(released_, true)) return;
    }
    RemoveHold();
  }

  const uint64_t connection_;
  const StorageClient::Run run_;
  std::shared_ptr<AppendCall> self_;
  grpc::ClientContext context_;
  ByteBuffer read_;
  bool typed_ = false;                  // the owner's thread: the rows' type was sent
  std::atomic<bool> cancelled_{false};  // set by the owner's thread, read by gRPC's
  std::mutex mutex_;
  std::deque<ByteBuffer> writes_;  // guarded by mutex_; the first is on its way
  bool released_ = false;          // guarded by mutex_
};

// Threads that ask the table, which blocks.
class TailThreads {
 public:
  explicit TailThreads(BigQueryOptions options) : options_(std::move(options)) {}
  // Waits for what is being asked, at most for one request of it.
  ~TailThreads() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  void Ask(uint64_t call, StreamApi::TailQuery query, StorageClient::Run run) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({call, std::move(query), std::move(run)});
    if (threads_.size() < kTailThreads && threads_.size() < queue_.size() + busy_)
      threads_.emplace_back([this] { Work(); });
    wake_.notify_one();
  }

 private:
  struct Question {
    uint64_t call;
    StreamApi::TailQuery query;
    StorageClient::Run run;
  };
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      Question question = std::move(queue_.front());
      queue_.pop_front();
      ++busy_;
      lock.unlock();
      question.run([call = question.call, last = ReadTableTail(options_, question.query, stopping_)](
                       StreamAnswers& answers) { answers.OnTail(call, last); });
      lock.lock();
      --busy_;
    }
  }

  const BigQueryOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Question> queue_;         // guarded by mutex_
  size_t busy_ = 0;                    // guarded by mutex_
  std::atomic<bool> stopping_{false};  // set under mutex_
  std::vector<std::thread> threads_;   // started under mutex_
};

// A call with one answer, which keeps itself until then.
template <typename Request, typename Response>
struct UnaryCall {
  grpc::ClientContext context;
  Request request;
  Response response;
};

class GrpcClient : public StorageClient, public std::enable_shared_from_this<GrpcClient> {
 public:
  GrpcClient(const BigQueryOptions& options, std::vector<std::shared_ptr<grpc::Channel>> channels)
      : options_(options), channels_(std::move(channels)), tails_(options) {}

  std::unique_ptr<StreamApi> MakeApi(Run run) override;

  const BigQueryOptions& options() const { return options_; }
  TailThreads& tails() { return tails_; }
  const std::shared_ptr<grpc::Channel>& NextChannel() {
    return channels_[next_channel_.fetch_add(1, std::memory_order_relaxed) % channels_.size()];  // only spreads
  }

 private:
  const BigQueryOptions options_;
  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::atomic<size_t> next_channel_{0};
  TailThreads tails_;
};

class GrpcStreamApi : public StreamApi {
 public:
  GrpcStreamApi(std::shared_ptr<GrpcClient> client, StorageClient::Run run)
      : client_(std::move(client)), channel_(client_->NextChannel()), run_(std::move(run)) {}
  ~GrpcStreamApi() override {
    for (const auto& [connection, call] : calls_) call->Cancel();
  }

  void Create(uint64_t call) override {
    auto unary = std::make_shared<UnaryCall<bq::CreateWriteStreamRequest, bq::WriteStream>>();
    unary->request.set_parent(client_->options().table());
    unary->request.mutable_write_stream()->set_type(bq::WriteStream::COMMITTED);
    Prepare(&unary->context, absl::StrCat("parent=", unary->request.parent()));
    Stub()->async()->CreateWriteStream(
        &unary->context, &unary->request, &unary->response, [unary, call, run = run_](const grpc::Status& status) {
          absl::StatusOr<std::string> stream = unary->response.name();
          if (!status.ok()) {
            stream = FailureOf(status).status;
          } else if (absl::Status table = CheckColumns(unary->response.table_schema());
                     unary->response.has_table_schema() && !table.ok()) {
            stream = table;
          }
          run([call, stream](StreamAnswers& answers) { answers.OnCreated(call, stream); });
        });
  }

  void Finalise(uint64_t call, const std::string& stream) override {
    auto unary = std::make_shared<UnaryCall<bq::FinalizeWriteStreamRequest, bq::FinalizeWriteStreamResponse>>();
    unary->request.set_name(stream);
    Prepare(&unary->context, absl::StrCat("name=", stream));
    Stub()->async()->FinalizeWriteStream(
        &unary->context, &unary->request, &unary->response, [unary, call, run = run_](const grpc::Status& status) {
          run([call, failure = FailureOf(status), rows = unary->response.row_count()](StreamAnswers& answers) {
            answers.OnFinalised(call, failure, rows);
          });
        });
  }

  void ReadTail(uint64_t call, const TailQuery& query) override { client_->tails().Ask(call, query, run_); }

  void Connect(uint64_t connection, const std::string& stream) override {
    auto call = std::make_shared<AppendCall>(connection, run_);
    call->Start(channel_, stream);
    calls_.emplace(connection, std::move(call));
    // Those that have ended are of no use any more; there is at most one that has not.
    while (calls_.size() > 2) calls_.erase(calls_.begin());
  }
  void Send(uint64_t connection, const AppendRequest& request) override {
    if (const auto at = calls_.find(connection); at != calls_.end()) at->second->Send(request);
  }
  void Disconnect(uint64_t connection) override {
    const auto at = calls_.find(connection);
    if (at == calls_.end()) return;
    at->second->Cancel();
    calls_.erase(at);
  }

 private:
  std::unique_ptr<bq::BigQueryWrite::Stub> Stub() const { return bq::BigQueryWrite::NewStub(channel_); }
  static void Prepare(grpc::ClientContext* context, const std::string& routing) {
    context->AddMetadata(kRouting, routing);
    context->set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  }

  const std::shared_ptr<GrpcClient> client_;
  const std::shared_ptr<grpc::Channel> channel_;
  const StorageClient::Run run_;
  std::map<uint64_t, std::shared_ptr<AppendCall>> calls_;
};

std::unique_ptr<StreamApi> GrpcClient::MakeApi(Run run) {
  return std::make_unique<GrpcStreamApi>(shared_from_this(), std::move(run));
}

}  // namespace

absl::StatusOr<std::shared_ptr<StorageClient>> StorageClient::Make(const BigQueryOptions& options) {
  const bool plain = IsPlainEndpoint(options.endpoint);
  const size_t scheme = options.endpoint.find("://");
  if (scheme == std::string::npos || (!plain && options.endpoint.compare(0, scheme, "https") != 0))
    return absl::InvalidArgumentError(
        absl::StrCat("warehouse.endpoint: `", options.endpoint, "` begins with neither https:// nor http://"));
  std::string target = options.endpoint.substr(scheme + 3);
  while (target.ends_with('/')) target.pop_back();
  if (target.find(':') == std::string::npos) target += plain ? ":80" : ":443";

  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!plain) {
    grpc::SslCredentialsOptions tls;
    if (!options.ca_file.empty()) {
      const absl::StatusOr<std::string> roots = ReadTextFile(options.ca_file);
      if (!roots.ok() || roots->empty()) {
        return absl::InvalidArgumentError(absl::StrCat("warehouse.ca_file ", options.ca_file, ": ",
                                                       roots.ok() ? "it is empty" : roots.status().message()));
      }
      tls.pem_root_certs = *roots;
    }
    credentials = grpc::SslCredentials(tls);
    if (options.credentials != nullptr) {
      credentials = grpc::CompositeChannelCredentials(
          credentials, grpc::MetadataCredentialsFromPlugin(std::make_unique<TokenPlugin>(options.credentials)));
    }
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 60'000);
  // Pauses between attempts to connect are the writers' own.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);  // how long one attempt may take, TLS and all
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(-1);
  if (plain) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (size_t i = 0; i < kChannels; ++i) {
    arguments.SetInt("runledger.channel", static_cast<int>(i));  // channels of equal arguments share a connection
    channels.push_back(grpc::CreateCustomChannel(target, credentials, arguments));
  }
  // gRPC 1.51 counts a reference too few when the last channel with callbacks goes, and aborts. A channel counts once
  // it was used, and whichever comes first is not known here: none of these goes.
  [[gnu::used]] static const auto* kept = new std::vector<std::shared_ptr<grpc::Channel>>(channels);
  return std::make_shared<GrpcClient>(options, std::move(channels));
}

}  // namespace runledger::exporters
