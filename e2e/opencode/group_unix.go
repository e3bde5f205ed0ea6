//go:build unix

package opencode

import (
	"os/exec"
	"syscall"
)

// inGroup gives the command a process group of its own, which ends with it.
func inGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
