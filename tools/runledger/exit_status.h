#pragma once

namespace runledger::tools {

// Exit status of every command.
inline constexpr int kFine = 0;
inline constexpr int kBadNews = 1;   // the answer is bad news: issues found, not safe
inline constexpr int kFailed = 1;    // the command itself failed
inline constexpr int kWrongUse = 2;  // wrong use or configuration
inline constexpr int kUnknown = 3;   // input behind, instance or warehouse not reachable, or not to be read

inline constexpr char kExitStatusHelp[] =
    "Exit status: 0 fine; 1 the answer is bad news, or the command failed; 2 wrong use or configuration; 3 unknown "
    "(not reachable, not "
    "readable, behind)";

}  // namespace runledger::tools
