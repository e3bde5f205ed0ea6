package store

import (
	"testing"

	"golang.org/x/sys/windows"
)

// Who can change a file or directory is read from its owner and its access list, for the lists
// that Windows and device management make.
func TestFilesThatOthersCanChange(t *testing.T) {
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, sddl string
		right      bool
	}{
		{"the administrators', others read", "O:BAD:P(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)", true},
		{"the system's", "O:SYD:P(A;;FA;;;SY)(A;;FR;;;WD)", true},
		{"the installer's", "O:" + trustedInstaller + "D:P(A;;FA;;;" + trustedInstaller + ")(A;;FR;;;BU)", true},
		{"what is made below ProgramData", "O:BAD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)", false},
		{"a person's", "O:" + me.User.Sid.String() + "D:P(A;;FA;;;BA)(A;;FR;;;BU)", false},
		{"a person may write", "O:BAD:P(A;;FA;;;BA)(A;;FA;;;" + me.User.Sid.String() + ")", false},
		{"users may write", "O:BAD:P(A;;FA;;;BA)(A;;FW;;;BU)", false},
		{"everybody may delete", "O:BAD:P(A;;FA;;;BA)(A;;SD;;;WD)", false},
		{"everybody may delete what is in it", "O:BAD:P(A;;FA;;;BA)(A;;0x40;;;WD)", false},
		{"everybody may change the rights", "O:BAD:P(A;;FA;;;BA)(A;;WD;;;WD)", false},
		{"everybody may become the owner", "O:BAD:P(A;;FA;;;BA)(A;;WO;;;WD)", false},
		{"no access list", "O:BA", false},
	} {
		sd, err := windows.SecurityDescriptorFromString(row.sddl)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if why := notAdministrators(sd); (why == "") != row.right {
			t.Errorf("%s: %q", row.name, why)
		}
	}
}
