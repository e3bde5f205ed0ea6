package domaintest_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// Processes of two runs, and of one, ask for ports at once. None may be given to two: a
// program that is told to listen there later would find the other one.
func TestNoTwoProcessesAreGivenTheSamePort(t *testing.T) {
	const processes, ports = 6, 250
	if os.Getenv("GIVE_PORTS") != "" {
		for range ports {
			fmt.Println(domaintest.FreePort())
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	t.Parallel()
	givenTo := map[string]int{}
	for process := range processes {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		command.Env = append(os.Environ(), "GIVE_PORTS=1")
		stdin, err := command.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stdin.Close(); _ = command.Process.Kill(); _ = command.Wait() }()
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			port := lines.Text()
			if other, given := givenTo[port]; given {
				t.Fatalf("port %s was given to process %d and to process %d", port, other, process)
			}
			givenTo[port] = process
			if len(givenTo)%ports == 0 {
				break
			}
		}
	}
	if len(givenTo) != processes*ports {
		t.Errorf("%d ports were given, want %d", len(givenTo), processes*ports)
	}
}
