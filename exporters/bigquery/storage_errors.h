#pragma once

#include <grpcpp/support/status.h>

#include "exporters/bigquery/stream_api.h"
#include "google/rpc/status.pb.h"

// Private to this folder: what the Storage Write API says of failures, in a stream and of a call.

namespace runledger::exporters {

StreamFailure FailureOf(const google::rpc::Status& status);
StreamFailure FailureOf(const grpc::Status& status);

}  // namespace runledger::exporters
