#pragma once

#include <functional>
#include <memory>

#include "exporters/bigquery/bigquery_options.h"
#include "exporters/bigquery/stream_api.h"

namespace runledger::exporters {

// What all writers of a process share of gRPC: channels, credentials, and the threads that ask the table. Any thread.
class StorageClient {
 public:
  // InvalidArgument: an endpoint or the CA file is of no use.
  static absl::StatusOr<std::shared_ptr<StorageClient>> Make(const BigQueryOptions& options);
  virtual ~StorageClient() = default;

  // Where answers go: `run` carries one to the thread of its writer, soon, or drops it where the writer is gone. Any
  // thread may call it, also after the api is gone.
  using Run = std::function<void(std::function<void(StreamAnswers&)>)>;
  // The writer's thread; not from within `run`.
  virtual std::unique_ptr<StreamApi> MakeApi(Run run) = 0;
};

}  // namespace runledger::exporters
