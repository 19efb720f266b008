#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tools/runledger/ask_instance.h"

namespace runledger::tools {

// As Ask, of all instances of the group: where the one that is asked does not own every partition ("complete": false),
// the owners of the others are asked the same, and their answers put together: `list` names the member that holds jobs
// or runs. A job that one does not know is taken from the one that does. "complete" is true in the end if every
// partition's owner has answered; "caught_up" if all have caught up; "as_of" is the least, "instances"
// how many were asked.
std::optional<Json> AskFleet(const InstanceAddress& instance, const std::string& path, const char* list, int* status);

// The same of answers that are no lists: `member` is what each has, and `add` puts one more to what there is.
std::optional<Json> AskFleet(const InstanceAddress& instance, const std::string& path, const char* member, int* status,
                             const std::function<void(const Json& more, Json* all)>& add);

}  // namespace runledger::tools
