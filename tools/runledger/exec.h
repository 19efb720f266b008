#pragma once

#include "tools/runledger/event_sink.h"
#include "tools/runledger/exec_options.h"

namespace runledger::tools {

// Runs a command as if it had been started itself, and tells the log of it: running, heartbeats, the end. The command
// starts first; what the sink does comes while it runs.
//
// The answer is the command's exit status; 128 + n if signal n killed it, 127 or 126 if it could not be found or
// executed, 2 if the options are wrong (then nothing was started). It does not depend on the sink: what could not be
// delivered within flush_timeout is said on standard error, and where it is kept, if it is.
//
//   command                                                              status of the run
//   exits with 0                                                         success, or no_data (discover_status)
//   exits otherwise, or cannot be started                                failed
//   killed by a signal                                                   failed
//   SIGTERM or SIGINT came to us, and it ends in any way but success     aborted
//   SIGHUP or SIGQUIT came to us, and it ends of exactly that            aborted
//
// TERM, INT, HUP, QUIT, USR1, USR2, WINCH, CONT and TSTP are passed on; one that the terminal sent has reached the
// command already if it is still in our process group, and is not sent twice. SIGTSTP stops us too. If we are killed
// with SIGKILL the command goes on alone and the run becomes stale.
//
// The child gets the signal mask and dispositions that we were given (under `nohup` it ignores SIGHUP), standard input
// and output as they are, and RUNLEDGER_JOB and RUNLEDGER_RUN_ID, which make an inner `exec` its child run. Standard
// error goes through a pipe (see StderrTee) unless capture_stderr is off.
//
// Call it on the main thread, before other threads are started that do not block signals.
int Exec(const ExecOptions& options, EventSink& sink);

}  // namespace runledger::tools
