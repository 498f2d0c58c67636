"""The result schema: the table `state`, labelled rows, results, samples."""
