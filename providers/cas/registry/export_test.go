package registry

// Candidates is how many services are compared to find that of a URL.
func (r *Registry) Candidates(url string) int {
	a, err := parse(url)
	if err != nil {
		return 0
	}
	return len(r.candidates(a))
}
