#pragma once

namespace CLI {
class App;
}

namespace runledger::tools {

// schedule, workflows, missing-files: what was expected and what came of it, asked of a running instance. Exit status 0
// fine, 1 bad news, 2 wrong use, 3 unknown.
void AddOrchestrationQuestions(CLI::App* app, int* status);

}  // namespace runledger::tools
