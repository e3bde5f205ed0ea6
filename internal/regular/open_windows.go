package regular

// NonBlock has no meaning on Windows.
const NonBlock = 0
