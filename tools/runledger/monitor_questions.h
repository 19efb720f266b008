#pragma once

namespace CLI {
class App;
}

namespace runledger::tools {

// check, gaps, upstream, discovery: did it run, may those who wait for it go on, shall it be tried now. All ask a
// running instance. `*status` gets the exit status: 0 fine, 1 bad news, 2 wrong use, 3 unknown.
void AddMonitorQuestions(CLI::App* app, int* status);

}  // namespace runledger::tools
