package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Another process of the same user can read neither the helper's environment nor its memory,
// as it can of other programs.
func TestOtherProcessesCannotReadTheHelper(t *testing.T) {
	me := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // who may look into everything
		me.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	dir, err := os.MkdirTemp("", "oci-oidc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program, err := os.ReadFile(filepath.Join(helperDir(t), "oci-oidc-helper"))
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	helper := filepath.Join(dir, "oci-oidc-helper")
	if err == nil {
		err = os.WriteFile(helper, program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	start := func(name string, args ...string) (pid int, answer string) {
		command := exec.Command(name, args...)
		command.SysProcAttr = me
		command.Env = []string{"HOME=/nowhere", "A_SECRET=hunter2hunter2"}
		in, err := command.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := command.StdoutPipe()
		if err == nil {
			err = command.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = in.Close()
			_ = command.Wait()
		})
		if _, err = fmt.Fprintln(in, `{"jsonrpc":"2.0","id":1,"method":"status"}`); err == nil {
			answer, err = bufio.NewReader(out).ReadString('\n')
		}
		if err != nil {
			t.Fatal(err)
		}
		return command.Process.Pid, answer
	}
	look := func(pid int, what string) (string, error) {
		command := exec.Command("head", "-c", "2000", fmt.Sprintf("/proc/%d/%s", pid, what))
		command.SysProcAttr = me
		text, err := command.Output()
		return string(text), err
	}
	cat, _ := start("cat")
	if text, err := look(cat, "environ"); err != nil || !strings.Contains(text, "hunter2") {
		t.Skipf("no program's environment can be read here: %v", err)
	}
	pid, answer := start(helper, "--stdio")
	if !strings.Contains(answer, `"result"`) {
		t.Fatalf("it answers %s", answer)
	}
	for _, what := range []string{"environ", "maps"} {
		if _, err := look(cat, what); err != nil {
			t.Errorf("cat's %s: %v", what, err)
		}
		if text, err := look(pid, what); err == nil || text != "" {
			t.Errorf("its %s: %q, %v", what, text, err)
		}
	}
}
