package tokens

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// needsAccessLists skips a test under wine, whose files have no access control lists.
func needsAccessLists(t *testing.T) {
	t.Helper()
	if os.Getenv("WINE_RUNS_THIS") != "" {
		t.Skip("wine keeps no access lists: tried on Windows alone")
	}
}

// setList sets the access control list of a file or directory.
func setList(t *testing.T, path, sddl string, how windows.SECURITY_INFORMATION) {
	t.Helper()
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := sd.DACL()
	if err == nil {
		err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|how, nil, nil, list, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listOf returns the access control list of a file or directory as an SDDL string.
func listOf(t *testing.T, path string) string {
	t.Helper()
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	return sd.String()
}

// TestOnlyTheOwnerCanReadTokens: only the owner can read the tokens, even if the state
// directory existed before or its parent grants access to everybody.
func TestOnlyTheOwnerCanReadTokens(t *testing.T) {
	needsAccessLists(t)
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	above := t.TempDir()
	setList(t, above, "D:(A;OICI;FA;;;WD)", windows.PROTECTED_DACL_SECURITY_INFORMATION)
	state := filepath.Join(above, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	f := Open(store.Places{Home: above, StateDir: state}, config.Config{})
	if _, err := f.Save(testTokens()); err != nil {
		t.Fatal(err)
	}
	if list := listOf(t, state); !strings.HasPrefix(list, "D:P") {
		t.Errorf("the directory inherits: %s", list)
	}
	for _, path := range []string{state, f.Path()} {
		list := listOf(t, path)
		if strings.Count(list, "(") != 2 || !strings.Contains(list, ";"+me.User.Sid.String()+")") || !strings.Contains(list, ";SY)") {
			t.Errorf("%s: %s", path, list)
		}
	}
	if tokens, _, err := f.Load(); err != nil || tokens.Empty() {
		t.Errorf("%+v, %v", tokens, err)
	}
}

// TestTokensThatOthersCanWriteAreRefused has a row for each kind of access control entry.
func TestTokensThatOthersCanWriteAreRefused(t *testing.T) {
	needsAccessLists(t)
	for _, list := range []string{"D:(A;;FA;;;WD)", "D:(A;;FRFW;;;AU)", "D:(A;;0x40000;;;BU)"} {
		f := Open(store.Places{Home: t.TempDir(), StateDir: filepath.Join(t.TempDir(), "state")}, config.Config{})
		if _, err := f.Save(testTokens()); err != nil {
			t.Fatal(err)
		}
		setList(t, f.Path(), list, windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
		if tokens, _, err := f.Load(); !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "others can write it") || !tokens.Empty() {
			t.Errorf("%s: %v", list, err)
		}
	}
	f := Open(store.Places{Home: t.TempDir(), StateDir: filepath.Join(t.TempDir(), "state")}, config.Config{})
	if _, err := f.Save(testTokens()); err != nil {
		t.Fatal(err)
	}
	setList(t, f.Path(), "D:(A;;FR;;;WD)(A;;FA;;;BA)", windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
	if _, _, err := f.Load(); err != nil {
		t.Errorf("others can only read it: %v", err)
	}
}
