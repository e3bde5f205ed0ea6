package network

// CompanyCAs returns the certificates of ca_file as PEM, or "" if it is not set, for programs
// that connect by themselves. The file is checked as before a connection. Its error is a
// problem.
func (s Settings) CompanyCAs() (string, error) {
	certificates, err := s.companyCAs()
	return encodePEM(certificates), err
}
