#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string_view>

namespace runledger::fuzz {

// Parses an Event with protobuf's own parser, with `string` fields taken as `bytes`: proto3 refuses a message for one
// text that is not UTF-8, which with us is a matter of that column. nullptr: protobuf calls the bytes malformed.
std::unique_ptr<google::protobuf::Message> ParseLenient(std::string_view wire);

}  // namespace runledger::fuzz
