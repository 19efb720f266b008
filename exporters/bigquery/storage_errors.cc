#include "exporters/bigquery/storage_errors.h"

#include "google/cloud/bigquery/storage/v1/storage.pb.h"

namespace runledger::exporters {
namespace {

namespace bq = google::cloud::bigquery::storage::v1;

StorageError ErrorOf(bq::StorageError::StorageErrorCode code) {
  switch (code) {
    case bq::StorageError::OFFSET_ALREADY_EXISTS:
      return StorageError::kOffsetExists;
    case bq::StorageError::OFFSET_OUT_OF_RANGE:
      return StorageError::kOffsetGap;
    case bq::StorageError::STREAM_ALREADY_COMMITTED:
    case bq::StorageError::STREAM_NOT_FOUND:
    case bq::StorageError::INVALID_STREAM_TYPE:
    case bq::StorageError::INVALID_STREAM_STATE:
    case bq::StorageError::STREAM_FINALIZED:
      return StorageError::kStream;
    case bq::StorageError::TABLE_NOT_FOUND:
    case bq::StorageError::SCHEMA_MISMATCH_EXTRA_FIELDS:
    case bq::StorageError::CMEK_NOT_PROVIDED:
    case bq::StorageError::INVALID_CMEK_PROVIDED:
    case bq::StorageError::CMEK_ENCRYPTION_ERROR:
    case bq::StorageError::KMS_SERVICE_ERROR:
    case bq::StorageError::KMS_PERMISSION_DENIED:
      return StorageError::kTable;
    default:
      return StorageError::kNone;
  }
}

}  // namespace

StreamFailure FailureOf(const google::rpc::Status& status) {
  StreamFailure failure{absl::Status(static_cast<absl::StatusCode>(status.code()), status.message())};
  for (const google::protobuf::Any& detail : status.details()) {
    bq::StorageError error;
    if (detail.UnpackTo(&error)) failure.error = ErrorOf(error.code());
  }
  return failure;
}

StreamFailure FailureOf(const grpc::Status& status) {
  // As gRPC takes the first bytes of a server of REST.
  if (status.error_message().find("http1.x") != std::string::npos) {
    return {absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                         status.error_message() + "; is it the address of REST (warehouse.rest_endpoint)? "
                                                  "warehouse.endpoint is that of gRPC")};
  }
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details())) {
    StreamFailure failure = FailureOf(details);
    failure.status = absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    return failure;
  }
  return {absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message())};
}

}  // namespace runledger::exporters
