//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// asAnotherUser returns a function that runs a program as a user who is nobody here. Only
// root can do that.
func asAnotherUser(t *testing.T) func(program string, args ...string) (output string, err error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can run a program as another user")
	}
	return func(program string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), program, args...)
		command.Dir, command.Env = "/", []string{"PATH=" + os.Getenv("PATH")}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		output, err := command.CombinedOutput()
		return string(output), err
	}
}
