#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "exporters/warehouse/sqlite_database.h"

namespace runledger::exporters {

// Makes the file what sqlite_schema.h says, in one transaction; a file that is so already is only read.
//
//   no table                      the tables are made
//   a nullable column is missing  it is added; older rows have NULL there
//   a column too many             stays, and stays NULL, if rows can be written without it: a newer version added it,
//   or a
//                                 user. Going back to an older version must not stop the ledger
//   index or view differs         it is made anew
//   anything else                 FailedPrecondition, which names table, column, what is wanted and what is found
//
// A file of another program is FailedPrecondition too, and is not touched.
absl::Status BringUpToDate(Database* database);

// The statements that BringUpToDate would carry out; none: the file is as it should be. Changes nothing.
absl::StatusOr<std::vector<std::string>> PendingChanges(Database* database);

}  // namespace runledger::exporters
