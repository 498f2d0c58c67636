"""Ways to run Quartet: on one machine (`embedded`), with Docker Compose, on Kubernetes (`helm`) and on AWS (`aws`)."""
