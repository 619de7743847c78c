package policy

// Position returns the place of the principal's JSON string; it is zero when the document did not come from text.
func (r PrincipalRef) Position() Position {
	if r.End == 0 {
		return Position{}
	}
	return Position{Offset: r.Start, Line: r.line, Column: r.column}
}
