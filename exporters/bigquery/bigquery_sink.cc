#include "exporters/bigquery/bigquery_sink.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "exporters/bigquery/grpc_stream_api.h"
#include "exporters/bigquery/stream_writer.h"

namespace runledger::exporters {
namespace {

using ingest::SubmitResult;
using ingest::Tenure;
using ingest::TopicPartition;
using Clock = std::chrono::steady_clock;

int64_t NowUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count();
}

struct Metrics {
  explicit Metrics(ingest::OwnMetrics& own)
      : rows(own.warehouse_rows.Add({{"table", "events"}})),
        in_flight(own.warehouse_rows_in_flight.Add({{"table", "events"}})),
        retries(own.warehouse_retries.Add({{"table", "events"}})),
        duration(own.warehouse_append_duration.Add(
            {{"table", "events"}}, prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                                           0.25, 0.5, 1, 2.5, 5, 10, 30})) {}
  prometheus::Counter& rows;
  prometheus::Gauge& in_flight;
  prometheus::Counter& retries;
  prometheus::Histogram& duration;
};

constexpr char kColumns[] = "columns";  // the subject of what is wrong with the table's

// What is in the way of each partition's rows, told as one text. Any thread.
class Problems {
 public:
  explicit Problems(std::function<void(const std::string&)> tell) : tell_(std::move(tell)) {}
  void Set(const std::string& subject, const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (text.empty()) {
      problems_.erase(subject);
    } else {
      problems_[subject] = text;
    }
    std::string all;
    if (!problems_.empty()) {
      all = problems_.begin()->second;
      if (problems_.size() > 1) absl::StrAppend(&all, " (and ", problems_.size() - 1, " more)");
    }
    if (all == told_) return;
    told_ = all;
    if (tell_) tell_(all);
  }

 private:
  const std::function<void(const std::string&)> tell_;
  std::mutex mutex_;
  std::map<std::string, std::string> problems_;  // by subject, guarded by mutex_
  std::string told_;                             // guarded by mutex_
};

// Tells of requests that wait for their answers, a line now and then whatever their number. Any thread.
class SlowAnswers {
 public:
  explicit SlowAnswers(const BigQueryOptions& options) : options_(options) {}
  void Tell(const TopicPartition& partition, const SlowRequest& slow) {
    if (!options_.on_slow) return;
    size_t untold = 0;
    {
      const std::lock_guard lock(mutex_);
      const int64_t now_us = NowUs();
      if (now_us < next_us_) {
        ++untold_;
        return;
      }
      next_us_ = now_us + options_.slow_pause_us;
      untold = std::exchange(untold_, 0);
    }
    std::string text = absl::StrCat(
        ToString(partition), ": ", slow.requests, " request(s) to table ", options_.project, ".", options_.dataset,
        ".events are not answered, the oldest for ", slow.waits_us / 1'000'000, " s, since ",
        codecs::FormatRfc3339(options_.now_us() - slow.waits_us), " (rows from ", slow.offset, " on of stream ",
        slow.stream, "). They are sent again after ", options_.answer_timeout_us / 1'000'000, " s without an answer");
    if (untold > 0) absl::StrAppend(&text, "; ", untold, " more such line(s) were left out");
    options_.on_slow(text);
  }

 private:
  const BigQueryOptions& options_;
  std::mutex mutex_;
  int64_t next_us_ = INT64_MIN;  // guarded by mutex_
  size_t untold_ = 0;            // guarded by mutex_
};

// One thread and the writers of some partitions, which are its alone.
class WriterThread : public ingest::RowSinkListener {
 public:
  WriterThread(const BigQueryOptions& options, std::shared_ptr<StorageClient> client, ingest::RowSinkListener* listener,
               Metrics* metrics, Problems* problems, SlowAnswers* slow)
      : client_(std::move(client)),
        listener_(*listener),
        metrics_(metrics),
        problems_(*problems),
        slow_(*slow),
        maker_(codecs::RowEncoder(codecs::SecretNames(options.secrets)), options.now_us),
        queue_(std::make_shared<Queue>()) {
    writer_options_.request_bytes = options.request_bytes;
    writer_options_.retry_us = options.retry_us;
    writer_options_.retry_max_us = options.retry_max_us;
    writer_options_.answer_timeout_us = options.answer_timeout_us;
    writer_options_.slow_us = options.slow_us;
    thread_ = std::thread([this] { Run(); });
  }
  ~WriterThread() override { Stop(); }

  void Stop() {
    {
      const std::lock_guard lock(queue_->mutex);
      queue_->stopping = true;
    }
    queue_->wake.notify_one();
    if (thread_.joinable()) thread_.join();
    writers_.clear();
  }

  void Open(const TopicPartition& partition, Tenure tenure, const ingest::Position& committed,
            const ingest::CommitMetadata& metadata) {
    Post(queue_, [=, this] {
      auto at = writers_.find(tenure);
      if (at == writers_.end()) at = Make(partition, tenure);
      at->second.writer->SetTime(NowUs());
      at->second.writer->Open(committed, metadata);
    });
  }
  void Submit(Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) {
    if (metrics_ != nullptr) metrics_->in_flight.Increment(static_cast<double>(rows->size()));
    Post(queue_, [this, tenure, submission, rows = std::move(rows), since = Clock::now()] {
      const auto at = writers_.find(tenure);
      if (at == writers_.end()) {
        if (metrics_ != nullptr) metrics_->in_flight.Decrement(static_cast<double>(rows->size()));
        listener_.OnSubmitted(rows->partition(), tenure, submission,
                              {SubmitResult::Kind::kStopped, {}, absl::FailedPreconditionError("not open")});
        return;
      }
      at->second.submitted.emplace(submission, Writer::Submitted{rows->size(), since});
      at->second.writer->Submit(submission, rows, NowUs());
    });
  }
  void Close(Tenure tenure) {
    Post(queue_, [this, tenure] {
      const auto at = writers_.find(tenure);
      if (at == writers_.end()) return;
      at->second.writer->Close();
      writers_.erase(at);
    });
  }

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable wake;
    std::vector<std::function<void()>> tasks;  // guarded by mutex
    bool stopping = false;                     // guarded by mutex
  };
  struct Writer {
    struct Submitted {
      size_t rows;
      Clock::time_point since;
    };
    std::unique_ptr<StreamApi> api;
    std::unique_ptr<StreamWriter> writer;  // goes before the api
    std::map<uint64_t, Submitted> submitted;
  };

  static void Post(const std::shared_ptr<Queue>& queue, std::function<void()> task) {
    {
      const std::lock_guard lock(queue->mutex);
      if (queue->stopping) return;
      queue->tasks.push_back(std::move(task));
      if (queue->tasks.size() > 1) return;  // the thread was told
    }
    queue->wake.notify_one();
  }

  std::map<Tenure, Writer>::iterator Make(const TopicPartition& partition, Tenure tenure) {
    Writer made;
    made.api = client_->MakeApi([this, queue = queue_, tenure](std::function<void(StreamAnswers&)> answer) {
      Post(queue, [this, tenure, answer = std::move(answer)] {  // runs only while this thread does
        const auto at = writers_.find(tenure);
        if (at == writers_.end()) return;
        at->second.writer->SetTime(NowUs());
        answer(*at->second.writer);
      });
    });
    StreamWriterHooks hooks;
    hooks.on_problem = [this, partition](const std::string& text) { problems_.Set(ToString(partition), text); };
    hooks.on_retries = [this](uint64_t count) {
      if (metrics_ != nullptr) metrics_->retries.Increment(static_cast<double>(count));
    };
    hooks.on_table = [this](const absl::Status& status) {
      problems_.Set(kColumns, status.ok() ? std::string() : std::string(status.message()));
    };
    hooks.on_slow = [this, partition](const SlowRequest& slow) { slow_.Tell(partition, slow); };
    made.writer = std::make_unique<StreamWriter>(writer_options_, partition, tenure, made.api.get(), &maker_, this,
                                                 std::move(hooks), std::random_device{}());
    return writers_.emplace(tenure, std::move(made)).first;
  }

  void Run() {
    std::unique_lock lock(queue_->mutex);
    while (!queue_->stopping) {
      int64_t due_us = INT64_MAX;
      for (const auto& [tenure, writer] : writers_) due_us = std::min(due_us, writer.writer->NextDue());
      const auto ready = [this] { return queue_->stopping || !queue_->tasks.empty(); };
      if (due_us == INT64_MAX) {
        queue_->wake.wait(lock, ready);
      } else {
        queue_->wake.wait_until(lock, Clock::time_point(std::chrono::microseconds(due_us)), ready);
      }
      const std::vector<std::function<void()>> tasks = std::exchange(queue_->tasks, {});
      lock.unlock();
      for (const std::function<void()>& task : tasks) task();
      const int64_t now_us = NowUs();
      for (auto& [tenure, writer] : writers_) {
        if (writer.writer->NextDue() > now_us) continue;
        writer.writer->SetTime(now_us);
        writer.writer->OnTime();
      }
      lock.lock();
    }
  }

  // RowSinkListener: from the writers.
  void OnSinkOpened(const TopicPartition& partition, Tenure tenure, ingest::SinkOpened opened) override {
    listener_.OnSinkOpened(partition, tenure, std::move(opened));
  }
  void OnSubmitted(const TopicPartition& partition, Tenure tenure, uint64_t submission, SubmitResult result) override {
    if (const auto at = writers_.find(tenure); metrics_ != nullptr && at != writers_.end()) {
      if (const auto submitted = at->second.submitted.find(submission); submitted != at->second.submitted.end()) {
        const auto rows = static_cast<double>(submitted->second.rows);
        metrics_->in_flight.Decrement(rows);
        if (result.kind == SubmitResult::Kind::kDone) metrics_->rows.Increment(rows);
        metrics_->duration.Observe(std::chrono::duration<double>(Clock::now() - submitted->second.since).count());
        at->second.submitted.erase(submitted);
      }
    }
    listener_.OnSubmitted(partition, tenure, submission, std::move(result));
  }

  const std::shared_ptr<StorageClient> client_;
  ingest::RowSinkListener& listener_;
  Metrics* const metrics_;
  Problems& problems_;
  SlowAnswers& slow_;
  StreamWriterOptions writer_options_;
  RowMaker maker_;
  const std::shared_ptr<Queue> queue_;  // shared with answers that come late
  std::map<Tenure, Writer> writers_;    // the thread's own
  std::thread thread_;
};

}  // namespace

class BigQuerySink::Impl {
 public:
  Impl(BigQueryOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics)
      : options_(std::move(options)), listener_(listener), problems_(options_.on_problem), slow_(options_) {
    if (metrics != nullptr) metrics_.emplace(*metrics);
  }

  absl::Status Start() {
    absl::StatusOr<std::shared_ptr<StorageClient>> client = StorageClient::Make(options_);
    if (!client.ok()) return client.status();
    for (int i = 0; i < std::max(options_.threads, 1); ++i) {
      threads_.push_back(std::make_unique<WriterThread>(options_, *client, listener_, metrics_ ? &*metrics_ : nullptr,
                                                        &problems_, &slow_));
    }
    return absl::OkStatus();
  }
  void Stop() {
    for (const auto& thread : threads_) thread->Stop();
  }
  WriterThread& ThreadOf(Tenure tenure) { return *threads_[tenure % threads_.size()]; }

 private:
  const BigQueryOptions options_;
  ingest::RowSinkListener* const listener_;
  std::optional<Metrics> metrics_;
  Problems problems_;
  SlowAnswers slow_;
  std::vector<std::unique_ptr<WriterThread>> threads_;
};

BigQuerySink::BigQuerySink(BigQueryOptions options, ingest::RowSinkListener* listener, ingest::OwnMetrics* metrics)
    : impl_(std::make_unique<Impl>(std::move(options), listener, metrics)) {}
BigQuerySink::~BigQuerySink() { impl_->Stop(); }
absl::Status BigQuerySink::Start() { return impl_->Start(); }
void BigQuerySink::Stop() { impl_->Stop(); }

void BigQuerySink::Open(const TopicPartition& partition, Tenure tenure, const ingest::Position& committed,
                        const ingest::CommitMetadata& metadata) {
  impl_->ThreadOf(tenure).Open(partition, tenure, committed, metadata);
}
void BigQuerySink::Submit(Tenure tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) {
  impl_->ThreadOf(tenure).Submit(tenure, submission, std::move(rows));
}
void BigQuerySink::Close(const TopicPartition&, Tenure tenure) { impl_->ThreadOf(tenure).Close(tenure); }

}  // namespace runledger::exporters
