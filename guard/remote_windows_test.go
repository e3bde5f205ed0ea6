package guard

import (
	"fmt"
	"testing"

	"golang.org/x/sys/windows"
)

// The guard looks at nothing on another machine. A pipe stands for the other machine: it has
// room for one client, so that whoever opens it is noticed.
func TestGuardReachesNoOtherMachine(t *testing.T) {
	g := onWindows()
	for i, look := range map[string]func(path string){
		"a file":      func(path string) { g.denyPath(path, true) },
		"a pattern":   func(path string) { g.denyGlob(path+`\*`, path) },
		"a search":    func(path string) { g.denyGrep("", path) },
		"a directory": func(path string) { g.isDirectory(path) },
		"a program":   func(path string) { g.isOurselves(path) },
	} {
		name := fmt.Sprintf(`\\.\pipe\opencode-oci-oidc-guard-%d-%s`, windows.GetCurrentProcessId(), i)
		path, err := windows.UTF16PtrFromString(name)
		if err != nil {
			t.Fatal(err)
		}
		server, err := windows.CreateNamedPipe(path, windows.PIPE_ACCESS_DUPLEX, windows.PIPE_TYPE_BYTE, 1, 64, 64, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		look(name)
		client, err := windows.CreateFile(path, windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, 0, 0)
		if err != nil {
			t.Errorf("%s: it was opened", i)
		} else {
			_ = windows.CloseHandle(client)
		}
		_ = windows.CloseHandle(server)
	}
}
