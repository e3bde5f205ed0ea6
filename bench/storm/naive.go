package storm

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// Naive is a round of the design that most tools have: each of n callers finds the
// token expired and refreshes for itself, with the same one-time refresh token.
func (s *Storm) Naive(n int) (Round, error) {
	issued, err := s.Server.Issue(s.Config.ClientID, s.Config.Scope)
	if err != nil {
		return Round{}, err
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {issued.RefreshToken}}
	var (
		round  Round
		mu     sync.Mutex
		calls  sync.WaitGroup
		before = s.Server.Count(domaintest.Token)
		began  = time.Now()
	)
	for range n {
		calls.Go(func() {
			status, err := s.post(form)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				round.Failures = append(round.Failures, err.Error())
			case status != http.StatusOK:
				round.Failures = append(round.Failures, http.StatusText(status))
			default:
				round.Answers++
			}
		})
	}
	calls.Wait()
	round.Wall = time.Since(began)
	round.Requests = s.Server.Count(domaintest.Token) - before
	return round, nil
}

func (s *Storm) post(form url.Values) (status int, err error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	req, err := http.NewRequest(http.MethodPost, s.Server.URL+"/oauth2/v1/token", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(domaintest.ConfidentialClient, domaintest.ConfidentialSecret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
